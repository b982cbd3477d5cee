"""What a supervisor starts, and when: as a service manager does."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.supervision import (
    FIRST_RESTART_PAUSE,
    LONGEST_RESTART_PAUSE,
    SOUND_RUN,
    ProgramSeen,
    Watched,
    supervise,
)

DOWN, FAILED, ENDED = (
    ProgramSeen(True, False),
    ProgramSeen(True, False, True),
    ProgramSeen(True, False, False),
)
UP, UNWANTED = ProgramSeen(True, True), ProgramSeen(False, False)


def run(steps):
    """Return at which moments of (seconds, seen) it was started."""
    watched, started = Watched(), []
    for now, seen in steps:
        watched, start = supervise(watched, seen, now)
        if start:
            started.append(now)
    return started


def test_what_is_wanted_is_started_once():
    assert run([(0, DOWN), (1, UP), (2, UP)]) == [0]


def test_what_runs_already_is_left_alone():
    assert run([(0, UP), (1, UP)]) == []


def test_what_failed_is_started_again_after_a_pause():
    assert run([(0, DOWN), (1, UP), (2, FAILED), (3, DOWN), (2 + FIRST_RESTART_PAUSE, DOWN)]) == [
        0,
        12,
    ]


def test_what_ended_in_order_stays_ended_until_it_is_wanted_anew():
    assert run([(0, DOWN), (5, ENDED), (500, DOWN)]) == [0]
    assert run([(0, DOWN), (5, ENDED), (6, UNWANTED), (7, DOWN)]) == [0, 7]


def test_what_is_wanted_again_while_it_ends_is_started_once_it_has_ended():
    leaving = ProgramSeen(False, True)
    assert run([(0, DOWN), (1, UP), (2, leaving), (3, UP), (4, ENDED), (5, UP)]) == [0, 4]


def test_what_took_its_end_back_may_end_in_order_later():
    leaving = ProgramSeen(False, True)
    steps = [(0, DOWN), (1, UP), (2, leaving), (3, UP), (3 + SOUND_RUN, UP), (100, ENDED)]
    assert run(steps) == [0]


def test_what_nobody_wants_is_not_started():
    assert run([(0, UNWANTED), (1, UNWANTED)]) == []


def test_pauses_grow_to_a_limit_and_begin_anew_once_it_was_sound():
    watched, now, pauses = Watched(), 0.0, []
    for _ in range(8):
        watched, start = supervise(watched, DOWN if watched.since is None else FAILED, now)
        if not start:
            pauses.append(watched.due - now)
            now = watched.due
            watched, start = supervise(watched, DOWN, now)
        assert start
        now += 1
    assert pauses == [10, 20, 40, 80, 160, LONGEST_RESTART_PAUSE, LONGEST_RESTART_PAUSE]
    watched, _ = supervise(watched, FAILED, now + SOUND_RUN)
    assert watched.due - (now + SOUND_RUN) == FIRST_RESTART_PAUSE


@given(
    st.lists(
        st.tuples(st.integers(1, 400), st.sampled_from([UP, FAILED, ENDED, UNWANTED])), max_size=40
    )
)
def test_starts_are_never_closer_than_the_pause_unless_it_was_stopped(steps):
    watched, now, last = Watched(), 0.0, None
    for passed, seen in steps:
        now += passed
        before = watched
        watched, start = supervise(watched, seen, now)
        if not seen.wanted or before.leaving:
            last = None
        if start:
            assert seen.wanted
            assert not seen.running
            assert not before.ended or last is None
            assert last is None or now - last >= FIRST_RESTART_PAUSE
            last = now
