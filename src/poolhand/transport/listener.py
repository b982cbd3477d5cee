"""What a worker brings to its session: somebody who listens, and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.units import Seconds
from poolhand.transport.metering import CLIENT_LIMITS, SocketLimits
from poolhand.wire.messages import Held, Welcome, WorkerBound
from poolhand.wire.session import SCHEDULER_PACE, WORKER_PACE, Allowance


class Listener(Protocol):
    """The worker behind the session; its methods are called one at a time, in order."""

    async def connected(self, welcome: Welcome) -> None:
        """Learn of a connection: the pool is to be told everything again."""

    async def received(self, message: WorkerBound) -> None:
        """Take one message, as it came."""

    async def disconnected(self, reason: str, retry_in: float | None) -> None:
        """Learn that the connection is gone; ``retry_in`` seconds, None: for good."""

    def held(self) -> tuple[Held, ...]:
        """Return the replicates to tell at login."""


@dataclass(frozen=True, slots=True)
class ClientRules:
    """Limits of the worker's side: times in seconds, counts of messages.

    ``first_pause`` doubles with each failed try up to ``last_pause``, each shortened by chance to
    no less than half; a connection that lasted ``settled`` starts over. ``pace`` None: as fast as
    it goes. More than ``queue`` messages that wait for it give the session up: the journal has
    them all.
    """

    incoming: Allowance = SCHEDULER_PACE
    pace: Allowance | None = WORKER_PACE
    socket: SocketLimits = CLIENT_LIMITS
    connect_timeout: float = 10
    handshake_timeout: float = 20
    write_timeout: float = 10
    close_timeout: float = 2
    first_pause: float = 0.5
    last_pause: float = 30
    settled: Seconds = Seconds(10)
    queue: int = 4_096
    outbox: int = 1_024
    mailbox: int = 64
