"""How many requests one client may make in a while.

Source: market API 7, services-api-2.md A.4: per client in a fixed window, then HTTP 429.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

EXEMPT: Final = "::ffff:127.0.0.1"
"""The one peer that iExec's market does not count: loopback, reached over a dual-stack socket."""
MOST_CLIENTS: Final = 100_000
"""Clients remembered; those that came first are forgotten first."""


@dataclass(slots=True)
class _Window:
    began: float
    count: int = 0


class RequestRates:
    """Counts the requests of each client.

    Args:
        most: Requests of one client in one window; 0: as many as it likes.
        seconds: How long a window is.
    """

    def __init__(self, most: int, seconds: int) -> None:
        self._most, self._seconds = most, seconds
        self._windows: OrderedDict[str, _Window] = OrderedDict()

    def admits(self, client: str, now: float) -> bool:
        """Count one more request of a client; whether it is among those it may make."""
        if self._most == 0 or client == EXEMPT:
            return True
        window = self._windows.get(client)
        if window is None or now >= window.began + self._seconds:
            self._windows.pop(client, None)
            window = self._windows[client] = _Window(now)
            while len(self._windows) > MOST_CLIENTS:
                self._windows.popitem(last=False)
        window.count += 1
        return window.count <= self._most


def client_key(peer: str, real_ip: str | None, forwarded_for: str | None) -> str:
    """Return for whom a request counts.

    What a proxy says of its client (``x-real-ip``, else ``x-forwarded-for``) is believed of a peer
    on this machine or its network, and of nobody else: it would be a way around the limit. Of
    several hops the last counts, which the proxy has seen itself: those before it are whatever the
    client wrote. Nor is anybody exempt by what is said of it.
    """
    hops = (forwarded_for or "").rpartition(",")
    told = (real_ip or hops[-1]).strip()[:200]
    if not told or not _is_near(peer):
        return peer
    return EXEMPT.removeprefix("::ffff:") if told == EXEMPT else told


def _is_near(peer: str) -> bool:
    try:
        return ip_address(peer).is_private
    except ValueError:
        return not peer  # a unix socket has no address
