"""Two sessions over a link that stalls, breaks and comes back: exactly once, in order."""

from __future__ import annotations

from collections import deque
from typing import get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.messages import Nonce
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.frames import Frame, OversizedMessage, decode, encode
from poolhand.wire.messages import Capacity, Close, Idle, Ping, Pong, SchedulerBound, WorkerBound
from poolhand.wire.session import (
    POOL_LIMITS,
    WORKER_LIMITS,
    Allowance,
    BadAcknowledgement,
    Flooded,
    Limits,
    OutOfSequence,
    Session,
    WrongDirection,
)

NONCE = Nonce(bytes(32))
WIDE = Allowance(10_000, 100_000)
SMALL = Limits(
    incoming=WIDE, pace=None, heartbeat=Seconds(5), lease=Seconds(9), high=6, low=3, ack_every=3
)


def now(seconds: int) -> UnixSeconds:
    return UnixSeconds(seconds)


def pool(limits: Limits = POOL_LIMITS) -> Session:
    return Session(NONCE, get_args(SchedulerBound), limits, now(0))


def worker(limits: Limits = WORKER_LIMITS) -> Session:
    return Session(NONCE, get_args(WorkerBound), limits, now(0))


def idle(number: int) -> Idle:
    return Idle({"number": number})


def capacity(number: int) -> Capacity:
    return Capacity(number, paused=False, reason=None)


class Link(RuleBasedStateMachine):
    """Either side may send; frames arrive one at a time; the link may break at any moment."""

    def __init__(self) -> None:
        super().__init__()
        self.time = 0
        self.sides = {"pool": pool(SMALL), "worker": worker(SMALL)}
        self.wire = {"pool": deque(), "worker": deque()}  # frames on their way to that side
        self.said = {"pool": [], "worker": []}
        self.heard = {"pool": [], "worker": []}
        self.up = True

    def put(self, to: str, frame: Frame) -> None:
        if self.up:
            self.wire[to].append(encode(frame))

    @rule(sender=st.sampled_from(["pool", "worker"]))
    def send(self, sender):
        session, other = self.sides[sender], "worker" if sender == "pool" else "pool"
        if not session.can_send(now(self.time)):
            assert session.unacknowledged > SMALL.low
            return
        message = (idle if sender == "pool" else capacity)(len(self.said[sender]))
        self.said[sender].append(message)
        self.put(other, session.send(message, now(self.time)))

    @rule(to=st.sampled_from(["pool", "worker"]))
    def arrive(self, to):
        if not self.wire[to]:
            return
        inbound = self.sides[to].receive(decode(self.wire[to].popleft()), now(self.time))
        if inbound.delivered is not None:
            self.heard[to].append(inbound.delivered)
        if inbound.reply is not None:
            self.put("worker" if to == "pool" else "pool", inbound.reply)

    @rule(seconds=st.integers(1, 6))
    def wait(self, seconds):
        self.time += seconds
        for side, other in (("pool", "worker"), ("worker", "pool")):
            beat = self.sides[side].tick(now(self.time))
            if beat is not None:
                self.put(other, beat)

    @precondition(lambda self: self.up)
    @rule()
    def cut(self):
        self.up = False
        for frames in self.wire.values():
            frames.clear()

    @precondition(lambda self: not self.up)
    @rule()
    def reconnect(self):
        self.up = True
        ends = {side: session.received for side, session in self.sides.items()}
        for side, other in (("pool", "worker"), ("worker", "pool")):
            assert self.sides[side].can_resume(ends[other])
            for frame in self.sides[side].resume(ends[other], now(self.time)):
                self.put(other, frame)

    @invariant()
    def what_was_heard_is_the_beginning_of_what_was_said(self):
        for side, other in (("pool", "worker"), ("worker", "pool")):
            assert self.heard[side] == self.said[other][: len(self.heard[side])]

    @invariant()
    def what_waits_is_bounded(self):
        assert all(session.unacknowledged <= SMALL.high for session in self.sides.values())

    def teardown(self):
        """On a link that holds, everything arrives and is acknowledged."""
        if self.up:
            self.cut()
        self.reconnect()
        while any(self.wire.values()):
            self.arrive("pool")
            self.arrive("worker")
        self.wait(6)
        while any(self.wire.values()):
            self.arrive("pool")
            self.arrive("worker")
        assert self.heard == {"pool": self.said["worker"], "worker": self.said["pool"]}
        assert all(session.unacknowledged == 0 for session in self.sides.values())


TestLink = Link.TestCase
TestLink.settings = settings(max_examples=80, stateful_step_count=60, deadline=None)


def test_a_repeated_frame_is_not_delivered_again():
    side = pool()
    frame = Frame(capacity(1), 1, 0)
    assert side.receive(frame, now(0)).delivered == capacity(1)
    again = side.receive(frame, now(0))
    assert again.delivered is None
    assert again.reply == Frame(Pong(1, now(0)))


def test_a_gap_in_the_numbers_is_a_fault():
    with pytest.raises(OutOfSequence):
        pool().receive(Frame(capacity(1), 2, 0), now(0))


@pytest.mark.parametrize(
    "frame", [Frame(capacity(1), 1, 1), Frame(Ping(1, now(0))), Frame(Pong(1, now(0)))]
)
def test_acknowledging_what_was_never_sent_is_a_fault(frame):
    with pytest.raises(BadAcknowledgement):
        pool().receive(frame, now(0))


def test_a_peer_that_received_less_than_it_acknowledged_cannot_resume():
    side = worker()
    side.send(capacity(1), now(0))
    side.receive(Frame(Pong(1, now(0))), now(0))
    assert not side.can_resume(0)
    with pytest.raises(BadAcknowledgement):
        side.resume(0, now(0))


def test_a_worker_cannot_speak_as_the_scheduler():
    with pytest.raises(WrongDirection):
        pool().receive(Frame(idle(1), 1, 0), now(0))
    with pytest.raises(WrongDirection):
        worker().receive(Frame(capacity(1), 1, 0), now(0))


def test_a_flood_is_a_fault_and_a_burst_is_not():
    side = pool()
    for _ in range(POOL_LIMITS.incoming.burst):
        side.receive(Frame(Ping(0, now(0))), now(0))
    with pytest.raises(Flooded):
        side.receive(Frame(Ping(0, now(0))), now(0))
    side.receive(Frame(Ping(0, now(1))), now(1))


def test_our_own_pace_with_a_resend_stays_under_what_the_pool_admits():
    """A worker that sends as fast as it may, breaks and repeats everything, is never blamed."""
    mine, theirs = worker(), pool()
    said = heard = 0
    for second in range(60):
        flying = []
        while mine.can_send(now(second)):
            flying.append(mine.send(capacity(said % 1000), now(second)))
            said += 1
        if second % 7 == 3:
            mine.resume(theirs.received, now(second))
            flying = list(mine.resume(theirs.received, now(second)))
            theirs.resume(mine.received, now(second))
        for frame in flying:
            inbound = theirs.receive(frame, now(second))
            heard += inbound.delivered is not None
            if inbound.reply:
                mine.receive(inbound.reply, now(second))
        mine.receive(theirs.receive(Frame(Ping(0, now(second))), now(second)).reply, now(second))
    assert heard == said > 60 * 60


def test_a_slow_peer_stops_sending_until_it_acknowledges_half():
    side = pool()
    for number in range(POOL_LIMITS.high):
        side.send(idle(number), now(0))
    assert not side.can_send(now(0))
    with pytest.raises(BrokenPrecondition):
        side.send(idle(0), now(0))
    side.receive(Frame(Pong(POOL_LIMITS.high - POOL_LIMITS.low - 1, now(0))), now(0))
    assert not side.can_send(now(0))
    side.receive(Frame(Pong(POOL_LIMITS.high - POOL_LIMITS.low, now(0))), now(0))
    assert side.can_send(now(0))


def test_an_oversized_message_changes_nothing():
    side = worker()
    with pytest.raises(OversizedMessage):
        side.send(Capacity(1, paused=True, reason="x" * 600), now(0))
    assert side.send(capacity(1), now(0)).seq == 1


def test_the_lease_ends_after_its_last_second():
    side = pool()
    side.hear(now(100))
    assert not side.is_expired(now(100 + POOL_LIMITS.lease))
    assert side.is_expired(now(101 + POOL_LIMITS.lease))


def test_a_worker_that_has_nothing_to_say_still_beats_in_time():
    side = worker()
    beats = [second for second in range(61) if side.tick(now(second))]
    assert beats == list(range(5, 61, 5))
    assert 3 * WORKER_LIMITS.heartbeat < POOL_LIMITS.lease


def test_a_farewell_is_handed_on():
    close = Close("left", "bye")
    assert pool().receive(Frame(close), now(0)).closed == close


def test_a_clock_that_goes_back_expires_nothing_and_pays_no_frames():
    side = pool()
    side.hear(now(1000))
    assert not side.is_expired(now(10))
    side.receive(Frame(Ping(0, now(0))), now(10))
    assert not side.is_expired(now(1000 + POOL_LIMITS.lease))
