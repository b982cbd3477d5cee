"""Which Internet addresses a stranger may make us connect to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final, TypeAlias

IPAddress: TypeAlias = IPv4Address | IPv6Address
Resolver: TypeAlias = Callable[[str, int], Awaitable[tuple[IPAddress, ...]]]
"""Host and port to addresses, best first; raises OSError when the name has none."""

CLOUD_HOSTS: Final = frozenset({IPv4Address("168.63.129.16")})
"""Metadata services that live at public addresses (Azure's)."""
_CLOSED: Final = tuple(
    map(
        ip_network,
        ("192.0.0.0/24", "192.88.99.0/24", "fec0::/10", "3fff::/20", "64:ff9b:1::/48"),
    )
)
"""What Python's own lists leave open, or did for long: protocol assignments (with Oracle's metadata
service), retired relays, site-local addresses, documentation, local translation to IPv4.

Source: IANA's registries of special-purpose addresses; RFC 6890, 7526, 3879, 9637, 8215.
"""
_NAT64: Final = bytes.fromhex("0064ff9b0000000000000000")


async def resolve(host: str, port: int) -> tuple[IPAddress, ...]:
    """Ask the system, which also reads the odd spellings (``127.1``, ``0x7f000001``).

    Raises:
        OSError: The name is unknown.
    """
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as fault:
        raise OSError(f"{host[:80]!r} is no host name") from fault
    texts = dict.fromkeys(str(entry[4][0]) for entry in found)
    return tuple(ip_address(text) for text in texts)


def is_public(address: IPAddress) -> bool:
    """Tell whether an address is out on the Internet, and not on our side of any wall.

    Loopback, private, link-local, shared (carrier's NAT), multicast, reserved and documentation
    addresses are not, nor are IPv6 addresses that carry one of these inside.
    """
    return all(_is_open(each) for each in tuple(_inside(address)) or (address,))


def _is_open(address: IPAddress) -> bool:
    closed = address.is_multicast or address.is_reserved or address in CLOUD_HOSTS
    return address.is_global and not closed and not any(address in each for each in _CLOSED)


def _inside(address: IPAddress) -> Iterator[IPv4Address]:
    """Yield the IPv4 addresses that an IPv6 address stands for."""
    if isinstance(address, IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address.packed.startswith(_NAT64):
        yield IPv4Address(address.packed[-4:])
