"""The addresses behind a pool's name: where several processes serve it, one of them leads."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import TypeAlias
from urllib.parse import urlsplit

from websockets.proxy import get_proxy
from websockets.uri import parse_uri

Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]
"""Return the addresses of a host; raises OSError."""


async def resolve(host: str, port: int) -> list[str]:
    """Ask the system; each address once, in its order."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


class Places:
    """Dials the addresses behind a URL in turn; a proxy finds the pool by itself.

    Args:
        url: ``ws://`` or ``wss://``.
        resolve: Finds the addresses.
        timeout: Seconds that it may take.
    """

    def __init__(self, url: str, resolve: Resolve = resolve, timeout: float = 10.0) -> None:
        parts = urlsplit(url)
        self._timeout = timeout
        self._url, self._host, self._resolve = url, parts.hostname or "", resolve
        self._port = parts.port or (443 if parts.scheme == "wss" else 80)
        self._turn, self._tried, self._known = 0, 0, 1

    def next(self) -> bool:
        """Try another one the next time; returns whether this round has one left."""
        self._turn += 1
        self._tried = (self._tried + 1) % self._known
        return self._tried > 0

    def reached(self) -> None:
        """Note that whoever leads was found: the next try begins a round."""
        self._tried = 0

    async def where(self) -> dict[str, str | int]:
        """Return what to dial instead of the URL's own host; raises OSError.

        Nothing where it has one address, and behind a proxy: who connects through one may be unable
        to resolve names, and an address of the pool is not one of the proxy.
        """
        self._known = 1
        if get_proxy(parse_uri(self._url)) is not None:
            return {}
        async with asyncio.timeout(self._timeout):
            found = await self._resolve(self._host, self._port)
        if len(found) < 2:
            return {}
        self._known = len(found)
        return {"host": found[self._turn % len(found)], "port": self._port}
