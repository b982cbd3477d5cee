"""What a scheduler brings to the sessions of its workers: somebody at the gate, and limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.ids import Address
from poolhand.domain.session_limits import (
    CONNECTIONS_PER_ADDRESS,
    LOGINS_PER_ADDRESS,
    LOGINS_TOGETHER,
)
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.wire.messages import Capabilities, Held, Login, SchedulerBound
from poolhand.wire.session import (
    HEARTBEAT,
    INCOMING,
    WORKER_LEASE,
    Allowance,
)
from poolhand.wire.session_terms import SESSION_VERSION


@dataclass(frozen=True, slots=True)
class Arrival:
    """A worker that was let in, for the first time or again; ``version`` of the protocol."""

    worker: Address
    capabilities: Capabilities
    replicates: tuple[Held, ...]
    address: str
    at: UnixSeconds
    version: int = SESSION_VERSION


class Gate(Protocol):
    """What the scheduler does about workers; none of it waits for anybody."""

    def admit(self, login: Login) -> None:
        """Let a proven worker in, or not.

        Raises:
            Refused: It is told why; ``wire.handshake.LoginRefused`` has the usual reasons.
            Unavailable: It is told to try later.
        """

    def connected(self, arrival: Arrival) -> None:
        """Learn that a worker is there and knows nothing; ``tell`` works from here on."""

    def received(self, worker: Address, message: SchedulerBound) -> None:
        """Take one message.

        Raises:
            PeerFault: The worker broke protocol: its session ends with this reason.
        """

    def lost(self, worker: Address) -> None:
        """Learn that a worker is gone: it was away for a lease, left, or was dropped."""


@dataclass(frozen=True, slots=True)
class HubRules:
    """Limits of the scheduler's side; times in seconds, counts per client address.

    ``handshake_timeout`` leaves a second for our last words: the connection itself ends after ten
    (``SocketLimits.login``). ``greetings`` counts sockets without a login in all.
    """

    incoming: Allowance = INCOMING
    heartbeat: Seconds = HEARTBEAT
    lease: Seconds = WORKER_LEASE
    handshake_timeout: float = 9
    write_timeout: float = 10
    sockets_per_address: int = CONNECTIONS_PER_ADDRESS
    greetings_per_address: int = LOGINS_PER_ADDRESS
    greetings: int = LOGINS_TOGETHER
