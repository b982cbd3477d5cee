"""What one session admits: whose messages, how many of them, and how long a silence.

A session lasts as long as its connection: what matters is told again in the next one, by the
worker from its journal, by the scheduler from what is outstanding (ADR 0025). A worker that is
away for no longer than the lease keeps its replicates.

Rules P-20 to P-39 of ``docs/protocol/worker-protocol.md``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, TypeVar

from poolhand.domain.errors import PeerFault
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.messages import Close, SchedulerBound, SessionMessage, WorkerBound

HEARTBEAT: Final = Seconds(5)
"""A worker that has nothing to say beats this often: 200 frames a second of 1000 workers."""
WORKER_LEASE: Final = Seconds(16)
"""Silence after which a worker is lost: three heartbeats may be late, and with two seconds for the
clock's and the sweep's grain it is replaced well within 30 s."""
POOL_LEASE: Final = Seconds(40)
"""Silence after which a worker leaves a pool; at half of it the pool is asked for a sign."""

In = TypeVar("In", bound=WorkerBound | SchedulerBound)


class Flooded(PeerFault):
    """The peer sends more frames than the session admits."""


class WrongDirection(PeerFault):
    """The peer sends what only this side may, or repeats the handshake."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A leaky count of frames: ``burst`` at once, then ``rate`` per second."""

    rate: int
    burst: int


INCOMING: Final = Allowance(100, 1_024)
"""Messages that the scheduler takes of one worker."""
WORKER_PACE: Final = Allowance(80, 500)
"""To which a worker holds itself, so as to stay under ``INCOMING``."""
SCHEDULER_PACE: Final = Allowance(1_000, 8_192)
"""Messages that a worker takes of its scheduler."""


class Bucket:
    """An ``Allowance`` in use; time is an argument, in whole seconds."""

    __slots__ = ("_allowance", "_at", "_left")

    def __init__(self, allowance: Allowance, now: UnixSeconds) -> None:
        self._allowance, self._left, self._at = allowance, allowance.burst, now

    def has_room(self, now: UnixSeconds) -> bool:
        """Whether one more frame is allowed."""
        if now > self._at:
            gained = self._allowance.rate * (now - self._at)
            self._left = min(self._left + gained, self._allowance.burst)
            self._at = now
        return self._left > 0

    def take(self, count: int = 1) -> None:
        """Count one frame, or ``count`` of whatever is counted."""
        self._left -= count

    @property
    def is_overdrawn(self) -> bool:
        """Whether more was taken than there was room for."""
        return self._left < 0


class Beat(Enum):
    """What a worker does that has nothing to say: say that it is there, ask whether the pool is."""

    PONG = auto()
    PING = auto()
    LEAVE = auto()


class Heartbeat:
    """When a worker beats, and when its pool has been silent for too long.

    Args:
        seconds: Between two signs of life, as the pool wishes.
        now: Unix seconds.
    """

    def __init__(self, seconds: Seconds, now: UnixSeconds) -> None:
        self._seconds = max(seconds, 1)
        self._heard = self._beaten = now

    def heard(self, now: UnixSeconds) -> None:
        """Note that the pool is there."""
        self._heard = max(now, self._heard)

    def due(self, now: UnixSeconds, written_at: UnixSeconds) -> Beat | None:
        """Return what is to be done now; ``written_at`` is when something was said last."""
        silence = now - self._heard
        if silence > POOL_LEASE:
            return Beat.LEAVE
        if now - max(self._beaten, written_at) < self._seconds:
            return None
        self._beaten = now
        return Beat.PING if silence >= POOL_LEASE // 2 else Beat.PONG


class SessionIntake(Generic[In]):
    """What one peer says in one session.

    Args:
        kinds: The classes of messages that the peer may send.
        allowance: How many of them.
        now: Unix seconds.
    """

    __slots__ = ("_allowance", "_bucket", "_kinds")

    def __init__(self, kinds: tuple[type[In], ...], allowance: Allowance, now: UnixSeconds) -> None:
        self._kinds, self._allowance = kinds, allowance
        self._bucket = Bucket(allowance, now)

    def take(self, message: SessionMessage, now: UnixSeconds) -> In | Close:
        """Take one message.

        Raises:
            Flooded, WrongDirection: The peer broke the protocol: the session is to end.
        """
        if not self._bucket.has_room(now):
            raise Flooded(f"over {self._allowance.rate} messages per second")
        self._bucket.take()
        if isinstance(message, Close):
            return message
        if isinstance(message, self._kinds):
            return message
        raise WrongDirection(f"{type(message).__name__} is not for this side")
