"""What a scheduler brings to the sessions of its workers: somebody at the gate, and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.ids import Address
from poolhand.domain.messages import Nonce
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.messages import Capabilities, Held, Login, SchedulerBound
from poolhand.wire.session import HEARTBEAT, POOL_LIMITS, Limits


@dataclass(frozen=True, slots=True)
class Arrival:
    """A worker that was let in. ``resumed``: it kept its session, nothing was lost."""

    worker: Address
    session: Nonce
    resumed: bool
    capabilities: Capabilities
    replicates: tuple[Held, ...]
    address: str
    at: UnixSeconds


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """One session for the status API; ``attached`` tells whether a socket is open now."""

    worker: Address
    session: Nonce
    capabilities: Capabilities
    address: str
    since: UnixSeconds
    attached: bool
    unacknowledged: int


class Gate(Protocol):
    """What the scheduler does about workers."""

    async def admit(self, login: Login) -> None:
        """Let a proven worker in, or not.

        Raises:
            Refused: It is told why; ``wire.handshake.LoginRefused`` has the usual reasons.
            Unavailable: It is told to try later.
        """

    async def connected(self, arrival: Arrival) -> None:
        """Learn that a worker has a new or resumed session; ``tell`` works from here on."""

    async def received(self, worker: Address, message: SchedulerBound) -> None:
        """Take one message, exactly once per session.

        Raises:
            PeerFault: The worker broke protocol: its session ends with this reason.
        """

    async def lost(self, worker: Address) -> None:
        """Learn that the session ended: lease run out, closed, dropped or superseded."""


@dataclass(frozen=True, slots=True)
class HubRules:
    """Limits of the scheduler's side; times in seconds, counts per client address.

    ``handshake_timeout`` leaves a second for our last words: the connection itself ends after ten
    (``SocketLimits.login``). ``greetings`` counts sockets without a login in all.
    """

    limits: Limits = POOL_LIMITS
    heartbeat: Seconds = HEARTBEAT
    handshake_timeout: float = 9
    write_timeout: float = 10
    sockets_per_address: int = 64
    greetings_per_address: int = 16
    greetings: int = 256
    outbox: int = 1_024
    mailbox: int = 64
