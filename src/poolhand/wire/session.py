"""The session: sequence numbers, acknowledgements, resume, lease and limits, without a socket.

One object per side; it does not know which side it is. A session outlives its connections: what
was sent and is not acknowledged waits here and is sent again after ``resume``. Each message is
delivered exactly once, in order, as long as both sides keep their object.

Rules P-20 to P-39 of ``docs/protocol/worker-protocol.md``.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeAlias, TypeVar

from poolhand.domain.errors import BrokenPrecondition, PeerFault
from poolhand.domain.messages import Nonce
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.frames import Frame, encode
from poolhand.wire.messages import Close, Message, Ping, Pong, SchedulerBound, WorkerBound

HEARTBEAT: Final = Seconds(5)
"""A worker that has nothing to say says so this often: 200 frames a second of 1000 workers."""
LEASE: Final = Seconds(16)
"""Silence after which a session ends: three heartbeats may be late, and with two seconds for the
clock's and the sweep's grain a lost worker is replaced well within 30 s."""

Out = TypeVar("Out", bound=WorkerBound | SchedulerBound)
In = TypeVar("In", bound=WorkerBound | SchedulerBound)


class OutOfSequence(PeerFault):
    """A sequence number leaps ahead: a frame is missing on a link that loses none."""


class BadAcknowledgement(PeerFault):
    """The peer acknowledges what was never sent, or takes back an acknowledgement."""


class Flooded(PeerFault):
    """The peer sends more frames than the session admits."""


class WrongDirection(PeerFault):
    """The peer sends what only this side may, or repeats the handshake."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """A leaky count of frames: ``burst`` at once, then ``rate`` per second."""

    rate: int
    burst: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one session admits.

    ``high`` unacknowledged messages stop sending until ``low`` are left; ``ack_every`` messages
    received are acknowledged without waiting for a heartbeat. ``incoming`` bounds the peer's
    frames, ``pace`` our own messages (None: unpaced). ``heartbeat`` None means: only answer.
    """

    incoming: Allowance
    pace: Allowance | None
    heartbeat: Seconds | None
    lease: Seconds = LEASE
    high: int = 256
    low: int = 128
    ack_every: int = 16


POOL_LIMITS: Final = Limits(incoming=Allowance(100, 1_024), pace=None, heartbeat=None)
"""Of the scheduler's side."""
WORKER_LIMITS: Final = Limits(
    incoming=Allowance(1_000, 8_192), pace=Allowance(80, 500), heartbeat=HEARTBEAT
)
"""Of the worker's side: paced so that with one resend it stays under ``POOL_LIMITS.incoming``."""


class Bucket:
    """An ``Allowance`` in use; time is an argument, in whole seconds."""

    def __init__(self, allowance: Allowance, now: UnixSeconds) -> None:
        self._allowance, self._left, self._at = allowance, allowance.burst, now

    def has_room(self, now: UnixSeconds) -> bool:
        """Whether one more frame is allowed."""
        gained = self._allowance.rate * max(now - self._at, 0)
        self._left = min(self._left + gained, self._allowance.burst)
        self._at = max(now, self._at)
        return self._left > 0

    def take(self, count: int = 1) -> None:
        """Count one frame, or ``count`` of whatever is counted."""
        self._left -= count

    @property
    def is_overdrawn(self) -> bool:
        """Whether more was taken than there was room for."""
        return self._left < 0


@dataclass(frozen=True, slots=True)
class Inbound(Generic[In]):
    """What one frame came to: at most one message to deliver, reply to send, farewell."""

    delivered: In | None = None
    reply: Frame | None = None
    closed: Close | None = None


class Session(Generic[Out, In]):
    """One side of a session.

    Args:
        nonce: The session's name, chosen by the scheduler.
        inbound: The classes of sequenced messages that the peer may send.
        limits: What is admitted.
        now: Unix seconds.
    """

    def __init__(
        self, nonce: Nonce, inbound: tuple[type[In], ...], limits: Limits, now: UnixSeconds
    ) -> None:
        self.nonce: Final = nonce
        self._inbound, self._limits = inbound, limits
        self._sent = self._acked = self._received = self._told = 0
        self._unacked: deque[tuple[int, Out]] = deque()
        self._full = False
        self._pace = Bucket(limits.pace, now) if limits.pace else None
        self._bucket = Bucket(limits.incoming, now)
        self._heard = self._pinged = now

    @property
    def received(self) -> int:
        """The last sequence number delivered."""
        return self._received

    @property
    def unacknowledged(self) -> int:
        """Messages sent that the peer has not acknowledged."""
        return len(self._unacked)

    def can_send(self, now: UnixSeconds) -> bool:
        """Whether ``send`` may be called: the peer keeps up and our pace allows it."""
        return not self._full and (self._pace is None or self._pace.has_room(now))

    def send(self, message: Out, now: UnixSeconds) -> Frame:
        """Number a message and keep it until it is acknowledged.

        Returns:
            The frame for the connection, if there is one now; ``resume`` repeats it otherwise.

        Raises:
            BrokenPrecondition: ``can_send`` is false.
            OversizedMessage: The message is over its limits; nothing has changed.
        """
        if not self.can_send(now):
            raise BrokenPrecondition("Session.send called while can_send is false")
        frame = Frame(message, self._sent + 1, self._received)
        encode(frame)
        self._sent += 1
        self._unacked.append((self._sent, message))
        self._full = len(self._unacked) >= self._limits.high
        self._told = self._received
        if self._pace is not None:
            self._pace.take()
        return frame

    def receive(self, frame: Frame, now: UnixSeconds) -> Inbound[In]:
        """Take one frame of the current connection.

        Raises:
            Flooded, WrongDirection, OutOfSequence, BadAcknowledgement: The peer broke the
                protocol; nothing was delivered and the session must be given up.
        """
        if not self._bucket.has_room(now):
            raise Flooded(f"over {self._limits.incoming.rate} frames per second")
        self._bucket.take()
        self.hear(now)
        match frame.message:
            case Ping(received=received):
                self._acknowledge(received)
                return Inbound(reply=self._pong(now))
            case Pong(received=received):
                self._acknowledge(received)
                return Inbound()
            case Close() as close:
                return Inbound(closed=close)
            case message if isinstance(message, self._inbound):
                return self._take(message, frame, now)
            case _:
                raise WrongDirection(f"{type(frame.message).__name__} is not for this side")

    def can_resume(self, received: int) -> bool:
        """Whether a peer that received up to ``received`` can be brought up to date."""
        return self._acked <= received <= self._sent

    def resume(self, received: int, now: UnixSeconds) -> tuple[Frame, ...]:
        """Start over on a new connection with a peer that received up to ``received``.

        Returns:
            The frames to send again, in order.

        Raises:
            BadAcknowledgement: ``can_resume`` is false: the peer holds another session.
        """
        self._acknowledge(received, floor=self._acked)
        self._attach(now)
        return tuple(Frame(message, seq, self._received) for seq, message in self._unacked)

    def hear(self, now: UnixSeconds) -> None:
        """Renew the lease: the peer is there."""
        self._heard = max(now, self._heard)

    def is_expired(self, now: UnixSeconds) -> bool:
        """Whether the peer has been silent for longer than the lease."""
        return now - self._heard > self._limits.lease

    def tick(self, now: UnixSeconds) -> Frame | None:
        """Return the heartbeat when it is due."""
        beat = self._limits.heartbeat
        if beat is None or now - self._pinged < beat:
            return None
        self._pinged, self._told = now, self._received
        return Frame(Ping(self._received, now))

    def _attach(self, now: UnixSeconds) -> None:
        self._bucket = Bucket(self._limits.incoming, now)
        self._heard = self._pinged = now
        self._told = self._received

    def _take(self, message: In, frame: Frame, now: UnixSeconds) -> Inbound[In]:
        seq, ack = frame.seq or 0, frame.ack or 0
        if seq > self._received + 1:
            raise OutOfSequence(f"frame {seq} came after frame {self._received}")
        self._acknowledge(ack)
        if seq <= self._received:
            return Inbound(reply=self._pong(now))
        self._received = seq
        due = self._received - self._told >= self._limits.ack_every
        return Inbound(delivered=message, reply=self._pong(now) if due else None)

    def _pong(self, now: UnixSeconds) -> Frame:
        self._told = self._received
        return Frame(Pong(self._received, now))

    def _acknowledge(self, received: int, floor: int = 0) -> None:
        if not floor <= received <= self._sent:
            raise BadAcknowledgement(
                f"{received} acknowledged, between {floor} and {self._sent} was possible"
            )
        while self._unacked and self._unacked[0][0] <= received:
            self._unacked.popleft()
        self._acked = max(self._acked, received)
        if len(self._unacked) <= self._limits.low:
            self._full = False


WorkerSession: TypeAlias = Session[SchedulerBound, WorkerBound]
"""The worker's side."""
PoolSession: TypeAlias = Session[WorkerBound, SchedulerBound]
"""The scheduler's side."""
AnySession: TypeAlias = Session[Any, Any]


def encode_message(message: Message) -> str:
    """Write an unsequenced message as a frame."""
    return encode(Frame(message))
