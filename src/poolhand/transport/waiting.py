"""Connections that wait for their peer, oldest first, and who has to go when there are too many.

A peer that sends or takes nothing costs us a descriptor and some memory. So many of them are kept
and no more: a new one takes the place of the one that has waited longest. An honest peer says at
once what it wants and is through before its turn comes; one that holds connections for nothing
loses them, and cannot keep others out.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final, Protocol

from poolhand.transport.metering import SocketLimits
from poolhand.transport.plumbing import is_loopback


class Connection(Protocol):
    """Something that may be cut."""

    @property
    def address(self) -> str:
        """The client that is counted, see ``neighbourhood``."""

    def evict(self) -> None:
        """Cut it at once; it is counted no longer."""


def neighbourhood(host: str) -> str:
    """Return what is counted as one client: an IPv4 address, or the /64 of an IPv6 one.

    An IPv4 address in IPv6's spelling is itself: a socket of both kinds has all of them so.
    """
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return host if address.version == 4 else str(ip_network(f"{address}/64", strict=False))


@dataclass(frozen=True, slots=True)
class WaitingRoom:
    """How many connections may wait: of one client address, and in all.

    Whoever calls from this machine itself is bounded by ``in_all`` alone: behind a reverse proxy
    everybody does.
    """

    per_address: int
    in_all: int

    def of(self, address: str) -> int:
        """Return how many of an address may wait."""
        return self.in_all if is_loopback(address) else self.per_address


class WaitingConnections:
    """Keeps within a ``WaitingRoom``."""

    def __init__(self, room: WaitingRoom) -> None:
        self._room = room
        self._order: dict[Connection, None] = {}
        self._by_address: dict[str, dict[Connection, None]] = {}

    def __len__(self) -> int:
        return len(self._order)

    def touch(self, connection: Connection) -> None:
        """Note that a connection waits from now on: the last whose turn to go comes."""
        self.drop(connection)
        own = self._by_address.setdefault(connection.address, {})
        self._order[connection] = own[connection] = None
        if len(own) > self._room.of(connection.address):
            self._evict(next(iter(own)))
        elif len(self._order) > self._room.in_all:
            most = max(self._by_address.values(), key=len)
            self._evict(next(iter(most)) if len(most) > 1 else next(iter(self._order)))

    def drop(self, connection: Connection) -> None:
        """Note that a connection waits no longer; repeatable."""
        if connection not in self._order:
            return
        del self._order[connection]
        own = self._by_address[connection.address]
        del own[connection]
        if not own:
            del self._by_address[connection.address]

    def shed(self, count: int) -> None:
        """Cut those that have waited longest: descriptors are needed elsewhere."""
        for connection in list(self._order)[:count]:
            self._evict(connection)

    def _evict(self, connection: Connection) -> None:
        self.drop(connection)
        connection.evict()


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What one listening service bears; times in seconds.

    Attributes:
        asking: Connections without a whole request, new ones and idle ones.
        sending: Connections whose request body is still to come.
        taking: Connections that do not take their answer.
        requests: Requests that are worked on at once.
        reserve: Requests for the service's health beyond ``requests``.
        head: From the first byte that is due to the end of the request's head.
        idle: Until the next request on a connection that has had its answer.
        stall: In which ``step`` bytes must come of a body, or room be made for an answer.
        sockets: Of one WebSocket.
    """

    asking: WaitingRoom
    sending: WaitingRoom
    taking: WaitingRoom
    requests: int
    reserve: int = 16
    head: float = 10
    idle: float = 30
    stall: float = 30
    step: int = 65_536
    sockets: SocketLimits = SocketLimits()


MOST_CONNECTIONS: Final = 512
"""Connections of one kind, however many descriptors there are."""


def limits_for(descriptors: int) -> ServiceLimits:
    """Return limits that leave most of a process's descriptors to workers, files and the chain."""
    many, few = (
        min(MOST_CONNECTIONS, max(descriptors // 8, 8)),
        min(MOST_CONNECTIONS, max(descriptors // 16, 4)),
    )
    return ServiceLimits(
        asking=WaitingRoom(max(many // 4, 4), many),
        sending=WaitingRoom(max(few // 4, 2), few),
        taking=WaitingRoom(max(few // 4, 2), few),
        requests=many,
    )
