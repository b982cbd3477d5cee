"""Which hosts an app may reach: its order asks for them, a worker's operator allows them.

A host is written ``NAME:PORT``; a name alone means port 443. Only names are taken: where a name
leads is looked up and judged by whoever connects, and an address would say nothing of whose it is.

Source: RFC 1123, 2.1 (names of hosts); RFC 5890, 2.3.2.1 (names in other scripts); RFC 3696, 2 (a
top-level name is not all digits).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NewType

from poolhand.domain.errors import Refused

NetworkHost = NewType("NetworkHost", str)
"""``name:port``, lower case, as ``read_host`` returns it."""

MOST_HOSTS: Final = 16
"""Hosts that one order may ask for."""
MOST_ALLOWED_HOSTS: Final = 64
"""Hosts that one operator may allow."""
LONGEST_HOST: Final = 253 + len(":65535")
"""Characters."""
TLS_PORT: Final = 443
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"({_LABEL}\.)+[a-z]([a-z0-9-]{{0,61}}[a-z0-9])?")
_PORT: Final = re.compile(r"[1-9][0-9]{0,4}")


class UnfitHost(Refused):
    """What is given is no host that an app could reach; the message says how to write one."""


def read_host(text: str) -> NetworkHost:
    """Read ``NAME`` or ``NAME:PORT``.

    Raises:
        UnfitHost: It is an address, or no name of a host.
    """
    name, colon, port = text.lower().partition(":")
    port = port if colon else str(TLS_PORT)
    if not text.isascii() or len(name) > 253 or _HOST.fullmatch(name) is None:
        raise UnfitHost(
            f"{text[:80]!a} names no host: write NAME or NAME:PORT, such as "
            "data.example.org:443, with a name in ASCII (xn--…) and no address"
        )
    if _PORT.fullmatch(port) is None or int(port) > 65_535:
        raise UnfitHost(f"{text[:80]!a} names no port: write one from 1 to 65535 behind ':'")
    return NetworkHost(f"{name}:{port}")


def read_hosts(texts: Iterable[str], most: int) -> tuple[NetworkHost, ...]:
    """Read hosts; each comes once, in the order of their names.

    Raises:
        UnfitHost: One is none, or they are more than ``most``.
    """
    found = tuple(sorted({read_host(each) for each in texts}))
    if len(found) > most:
        raise UnfitHost(f"{len(found)} hosts are named: name {most} at most")
    return found


def missing_hosts(
    asked: Iterable[NetworkHost], allowed: Iterable[NetworkHost]
) -> tuple[NetworkHost, ...]:
    """Return what is asked for and not allowed."""
    return tuple(sorted({*asked} - {*allowed}))
