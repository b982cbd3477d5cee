"""What one session admits: whose messages, how many, and how long a silence."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.messages import Capacity, Close, Hello, Idle, SchedulerBound, WorkerBound
from poolhand.wire.session import (
    HEARTBEAT,
    INCOMING,
    POOL_LEASE,
    SCHEDULER_PACE,
    WORKER_LEASE,
    WORKER_PACE,
    Beat,
    Bucket,
    Flooded,
    Heartbeat,
    SessionIntake,
    WrongDirection,
)

CAPACITY, IDLE, CLOSE = Capacity(None), Idle({}), Close("left", "bye")


def now(second: int) -> UnixSeconds:
    return UnixSeconds(1_700_000_000 + second)


def at_pool() -> SessionIntake:
    return SessionIntake(get_args(SchedulerBound), INCOMING, now(0))


def at_worker() -> SessionIntake:
    return SessionIntake(get_args(WorkerBound), SCHEDULER_PACE, now(0))


def test_a_worker_cannot_speak_as_the_scheduler():
    assert at_pool().take(CAPACITY, now(0)) is CAPACITY
    assert at_worker().take(IDLE, now(0)) is IDLE
    for side, message in ((at_pool(), IDLE), (at_worker(), CAPACITY)):
        with pytest.raises(WrongDirection):
            side.take(message, now(0))


def test_a_handshake_is_not_repeated_in_a_session():
    hello = Hello((2,), 1, bytes(20), bytes(20), "http://p", bytes(32), now(0))
    with pytest.raises(WrongDirection, match="Hello"):
        at_worker().take(hello, now(0))


def test_a_farewell_is_handed_on():
    assert at_pool().take(CLOSE, now(0)) is CLOSE
    assert at_worker().take(CLOSE, now(0)) is CLOSE


def test_more_messages_than_the_session_admits_are_a_fault():
    side = at_pool()
    for _ in range(INCOMING.burst):
        side.take(CAPACITY, now(0))
    with pytest.raises(Flooded):
        side.take(CAPACITY, now(0))
    for _ in range(INCOMING.rate):
        side.take(CAPACITY, now(1))
    with pytest.raises(Flooded):
        side.take(CAPACITY, now(1))


def test_our_own_pace_stays_under_what_the_pool_admits():
    pace, pool = Bucket(WORKER_PACE, now(0)), at_pool()
    said = 0
    for second in range(60):
        while pace.has_room(now(second)):
            pace.take()
            pool.take(CAPACITY, now(second))
            said += 1
    assert said > 60 * 60


@given(st.lists(st.integers(-50, 50), max_size=30))
def test_a_clock_that_goes_back_pays_no_messages(steps):
    side, second, newest, taken = at_pool(), 0, 0, 0
    for step in steps:
        second += step
        newest = max(newest, second)
        try:
            for _ in range(200):
                side.take(CAPACITY, now(second))
                taken += 1
        except Flooded:
            pass
        assert taken <= INCOMING.burst + INCOMING.rate * newest


# --------------------------------------------------------------------------------- heartbeats


def beats(seconds, *, written=lambda _second: 0, heard=lambda _second: False):
    """Return what a worker does in each second, by second."""
    heart, done = Heartbeat(HEARTBEAT, now(0)), {}
    for second in range(1, seconds):
        if heard(second):
            heart.heard(now(second))
        done[second] = heart.due(now(second), now(written(second)))
    return {second: beat for second, beat in done.items() if beat is not None}


def test_a_worker_that_has_nothing_to_say_still_beats_in_time():
    found = beats(61, heard=lambda _: True)
    assert found == dict.fromkeys(range(5, 61, 5), Beat.PONG)
    assert 3 * HEARTBEAT < WORKER_LEASE


def test_a_worker_that_speaks_need_not_beat():
    assert not beats(61, written=lambda second: second - second % 4, heard=lambda _: True)


def test_a_silent_pool_is_asked_for_a_sign_and_left_when_it_gives_none():
    found = beats(POOL_LEASE + 2)
    assert [second for second, beat in found.items() if beat is Beat.PONG] == [5, 10, 15]
    assert [second for second, beat in found.items() if beat is Beat.PING] == [20, 25, 30, 35, 40]
    assert found[POOL_LEASE + 1] is Beat.LEAVE


def test_a_pool_that_answers_is_asked_no_more_often_than_it_is_silent():
    heart, pings = Heartbeat(HEARTBEAT, now(0)), []
    for second in range(1, 100):
        if pings and second == pings[-1] + 1:
            heart.heard(now(second))
        if heart.due(now(second), now(0)) is Beat.PING:
            pings.append(second)
    assert pings == [20, 45, 70, 95]


def test_a_pool_may_wish_for_any_pace():
    heart = Heartbeat(Seconds(0), now(0))
    assert heart.due(now(1), now(0)) is Beat.PONG
