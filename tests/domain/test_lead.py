"""Of several processes one leads, and never two at a time, whatever their clocks and the lock do."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.lead import (
    ANSWER,
    LEAD_LEASE,
    LEAD_SILENCE,
    PAUSE_BETWEEN_LEAD_BEATS,
    TAKING,
    Leader,
    LockSession,
    Sighting,
    StandbyStep,
    Watching,
    leads,
)

FIRST = Leader(epoch=1, holder="process 7 on one", address="http://one", beats=3)
ITS = LockSession(70)
TAKER = LockSession(71, is_taking=True)


def after(seconds, leader=FIRST, session=ITS):
    """What is decided so long after leader and session were seen first."""
    watching = Watching().look(Sighting(leader, session), 100.0)
    watching = watching.look(Sighting(leader, session), 100.0 + seconds)
    return watching.decide(100.0 + seconds)


def test_whoever_has_seen_nothing_waits():
    assert Watching().decide(1e9) is StandbyStep.WAIT


def test_a_leader_that_beats_is_left_alone():
    watching = Watching()
    for second in range(60):
        watching = watching.look(Sighting(replace(FIRST, beats=second), ITS), float(second))
        assert watching.decide(float(second)) is StandbyStep.WAIT


def test_a_silent_leader_with_a_session_is_ended_and_one_without_is_followed():
    assert (
        after(LEAD_SILENCE - 0.01) is after(LEAD_SILENCE - 0.01, session=None) is StandbyStep.WAIT
    )
    assert after(LEAD_SILENCE) is StandbyStep.END
    assert after(LEAD_SILENCE, session=None) is StandbyStep.TAKE


RESIGNED = replace(FIRST, holder="")


@pytest.mark.parametrize("leader", [None, RESIGNED], ids=["nobody", "resigned"])
def test_where_nobody_leads_the_lock_is_taken_once_it_is_free(leader):
    assert after(0, leader, None) is StandbyStep.TAKE
    assert after(TAKING - 0.01, leader, TAKER) is StandbyStep.WAIT


@pytest.mark.parametrize("session", [ITS, TAKER], ids=["anybodys", "takers"])
@pytest.mark.parametrize("leader", [None, RESIGNED], ids=["nobody", "resigned"])
def test_a_lock_that_nobody_leads_by_is_not_waited_for_without_end(leader, session):
    """Else a process that froze as it took the lead keeps every other from it."""
    assert after(TAKING, leader, session) is StandbyStep.END


def test_whoever_was_faster_has_its_time_to_bring_the_tables_up():
    """Its session is new, and beats only once it leads: two would end each other for ever."""
    watching = Watching().look(Sighting(FIRST, ITS), 100.0)
    watching = watching.look(Sighting(FIRST, None), 106.0)
    watching = watching.look(Sighting(FIRST, TAKER), 108.0)
    assert watching.decide(108.0) is StandbyStep.WAIT
    watching = watching.look(Sighting(FIRST, TAKER), 107.0 + TAKING)
    assert watching.decide(107.0 + TAKING) is StandbyStep.WAIT
    assert watching.decide(108.0 + TAKING) is StandbyStep.END


def test_one_that_dies_as_it_takes_the_lead_costs_no_second_silence():
    watching = Watching().look(Sighting(FIRST, ITS), 100.0)
    watching = watching.look(Sighting(FIRST, TAKER), 108.0)
    watching = watching.look(Sighting(FIRST, None), 109.0)
    assert watching.decide(109.0) is StandbyStep.TAKE


def test_a_session_that_leads_in_its_turn_is_ended_after_a_silence_of_its_own():
    second = replace(FIRST, epoch=2, beats=4)
    watching = Watching().look(Sighting(FIRST, TAKER), 100.0)
    watching = watching.look(Sighting(second, replace(TAKER, is_taking=False)), 300.0)
    assert watching.decide(300.0 + LEAD_SILENCE - 0.01) is StandbyStep.WAIT
    assert watching.decide(300.0 + LEAD_SILENCE) is StandbyStep.END


def test_a_silence_outlasts_a_lease_by_more_than_two_clocks_drift():
    assert LEAD_SILENCE >= LEAD_LEASE + 2


def test_nobody_waits_for_an_answer_longer_than_its_lease_lasts():
    """What was begun before the next beat was due is answered, or given up, within the lease."""
    assert PAUSE_BETWEEN_LEAD_BEATS + ANSWER <= LEAD_LEASE


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
        sighting = Sighting(replace(FIRST, beats=seen), ITS if now < releases else None)
        watching = watching.look(sighting, now * drift)
        if watching.decide(now * drift) is not StandbyStep.WAIT:
            assert not leads(max(at for at in began if at <= now), now)
            return


class Database:
    """A row and a lock, as processes of one pool see and change them; time is counted in seconds,
    in each of which everybody looks once, in an order that chance gives."""

    def __init__(self, processes, migrations):
        self.leader, self.session, self.numbers = FIRST, None, 0
        self.watches = dict.fromkeys(range(processes), Watching())
        self.migrations, self.steps = migrations, {}
        self.frozen, self.now, self.ended = set(), 0.0, []

    def turn(self, name):
        """Let one process do what is due."""
        if name in self.frozen:
            return
        if self.session and self.session[1] == name:
            self.go_on(name)
            return
        seen = Sighting(self.leader, self.session[0] if self.session else None)
        self.watches[name] = self.watches[name].look(seen, self.now)
        match self.watches[name].decide(self.now):
            case StandbyStep.TAKE if self.session is None:
                self.numbers += 1
                self.session = LockSession(self.numbers, is_taking=True), name
                self.steps[name] = self.now + self.migrations[name]
            case StandbyStep.END:
                self.ended.append(self.session[1])
                self.session = None

    def go_on(self, name):
        """Bring the tables up, then lead, and beat."""
        if self.now < self.steps[name]:
            return
        if self.session[0].is_taking:
            self.session = replace(self.session[0], is_taking=False), name
            self.leader = Leader(self.leader.epoch + 1, str(name), "", 0)
        self.leader = replace(self.leader, beats=self.leader.beats + 1)

    def kill(self, name):
        self.frozen.add(name)
        if self.session and self.session[1] == name:
            self.session = None


@given(
    migrations=st.lists(st.floats(0, 60), min_size=2, max_size=4),
    seed=st.integers(0, 2**32),
    killed=st.integers(0, 200),
    freezes=st.booleans(),
)
def test_after_a_dead_leader_one_leads_and_none_that_lives_is_ended(
    migrations, seed, killed, freezes
):
    """However long each brings the tables up, and though one more dies or freezes on its way."""
    base, names = Database(len(migrations), migrations), list(range(len(migrations)))
    order = Random(seed)
    for second in range(1000):
        base.now = float(second)
        if second == killed and base.session and len(names) > 1:
            victim = base.session[1]
            names.remove(victim)
            base.frozen.add(victim) if freezes else base.kill(victim)
        for name in order.sample(names, len(names)):
            base.turn(name)
    assert base.session is not None
    assert not base.session[0].is_taking, "somebody leads in the end"
    assert set(base.ended) <= base.frozen, "nobody that lives was ended"
    assert len(base.ended) <= 1
