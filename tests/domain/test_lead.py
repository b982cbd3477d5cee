"""Of several processes one leads, and never two at a time, whatever their clocks and the lock do."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.lead import LEASE, SILENCE, Leader, Sighting, StandbyStep, Watching, leads

FIRST = Leader(epoch=1, holder="process 7 on one", address="http://one", beats=3)


def after(seconds, leader=FIRST, *, is_held=True):
    """What is decided so long after the leader was seen first."""
    watching = Watching().look(Sighting(leader, is_held), 100.0)
    watching = watching.look(Sighting(leader, is_held), 100.0 + seconds)
    return watching.decide(100.0 + seconds)


def test_whoever_has_seen_nothing_waits():
    assert Watching().decide(1e9) is StandbyStep.WAIT


def test_a_leader_that_beats_is_left_alone():
    watching = Watching()
    for second in range(60):
        watching = watching.look(Sighting(replace(FIRST, beats=second), True), float(second))
        assert watching.decide(float(second)) is StandbyStep.WAIT


def test_a_silent_leader_with_a_session_is_ended_and_one_without_is_followed():
    assert after(SILENCE - 0.01) is after(SILENCE - 0.01, is_held=False) is StandbyStep.WAIT
    assert after(SILENCE) is StandbyStep.END
    assert after(SILENCE, is_held=False) is StandbyStep.TAKE


def test_one_that_resigned_is_followed_at_once():
    resigned = replace(FIRST, holder="")
    assert after(0, resigned, is_held=False) is StandbyStep.TAKE
    assert after(99, resigned, is_held=True) is StandbyStep.WAIT


def test_a_database_that_knows_of_no_leader_is_taken_once_its_lock_is_free():
    """A program of another version, or one that brings the tables up, is never ended."""
    assert after(99, None, is_held=True) is StandbyStep.WAIT
    assert after(0, None, is_held=False) is StandbyStep.TAKE


def test_a_silence_outlasts_a_lease_by_more_than_two_clocks_drift():
    assert SILENCE >= LEASE + 2


@given(
    beats=st.lists(st.floats(0, 4), min_size=1, max_size=30),
    looks=st.lists(st.floats(0.01, 3), min_size=1, max_size=60),
    slow=st.floats(0, 0.5),
    drift=st.floats(0.9, 1.1),
    releases=st.floats(0, 60),
)
def test_nobody_takes_over_within_a_lease(beats, looks, slow, drift, releases):
    """Beats come when they like, a session ends when it likes, clocks go at their own pace.

    A beat is seen from ``slow`` seconds after its leader began it on.
    """
    began, moment = [0.0], 0.0
    for pause in beats:
        moment += pause
        if not leads(began[-1], moment):
            break  # it may beat no more: its lease is over
        began.append(moment)
    watching, now = Watching(), 0.0
    for pause in looks:
        now += pause
        seen = sum(at + slow <= now for at in began)
        sighting = Sighting(replace(FIRST, beats=seen), now < releases)
        watching = watching.look(sighting, now * drift)
        if watching.decide(now * drift) is not StandbyStep.WAIT:
            assert not leads(max(at for at in began if at <= now), now)
            return
