"""Before any route: how many requests of whom, and whom web pages may be from (anybody)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from poolhand.domain.market.rates import RequestRates, client_key
from poolhand.transport.faults import fault_body
from poolhand.transport.waiting import neighbourhood

SMS_HEALTH: Final = "/health"
"""Not counted: whoever watches the service asks often."""


def caller_of(scope: Scope) -> str:
    """Return for whom a request counts: an address, or the /64 of an IPv6 one."""
    headers = HTTPConnection(scope).headers
    peer = (scope.get("client") or ("", 0))[0]
    told = client_key(peer, headers.get("x-real-ip"), headers.get("x-forwarded-for"))
    return neighbourhood(told) if told else ""


class CallerLimit:
    """Refuses whoever asks too often (429).

    Args:
        app: What is behind.
        rates: Counts.
        now: Seconds, from whenever.
    """

    def __init__(self, app: ASGIApp, rates: RequestRates, now: Callable[[], float]) -> None:
        self._app, self._rates, self._now = app, rates, now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        is_free = scope["type"] != "http" or scope["path"] == SMS_HEALTH
        if is_free or self._rates.admits(caller_of(scope), self._now()):
            await self._app(scope, receive, send)
        else:
            told = "too many requests: wait a while, then try again"
            await fault_body(429, "too-many-requests", told)(scope, receive, send)
