"""Whether a request was meant for this service, by the names in it: Host, and Origin if it is told.

``guards.HostGuard`` refuses foreign names on loopback. What is for one person alone is guarded on
every bind: no other site's page asks for it, and no other name leads to it (DNS rebinding).
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from poolhand.transport.guards import ForeignHost

_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class OwnSite:
    """The names of one service.

    Args:
        url: Under which it is known.
    """

    def __init__(self, url: str) -> None:
        found = urlsplit(url).hostname
        self._names = _HERE | ({found} if found else set())

    def check(self, request: HTTPConnection) -> None:
        """Let a request pass that names this service and comes from no other site's page.

        Raises:
            ForeignHost: It does not.
        """
        host, origin = _name("//" + request.headers.get("host", "")), request.headers.get("origin")
        if host is None or not (host in self._names or _is_number(host)):
            raise ForeignHost("ask this service under its own address, or by its number")
        if origin is not None and _name(origin) != host:
            raise ForeignHost("a page of another site may not ask this")


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def _is_number(host: str) -> bool:
    """Whether a name is an address itself, to which no other name can lead."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
