"""Before any route: how many requests of whom, how large, and what is only asked after."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poolhand.domain.market.rates import EXEMPT, RequestRates, client_key
from poolhand.market.api.answers import RATED, fault
from poolhand.market.pages.own_api import OWN_SCOPE
from poolhand.transport.plumbing import is_loopback
from poolhand.transport.waiting import neighbourhood

HEALTH: Final = "/health"
"""Not counted: whoever watches the market asks often."""


def client_of(scope: Scope) -> str:
    """Return for whom a request counts: an address, or the /64 of an IPv6 one."""
    told = _told(scope)
    return told if told == EXEMPT else neighbourhood(told)


def _told(scope: Scope) -> str:
    headers = HTTPConnection(scope).headers
    peer = (scope.get("client") or ("", 0))[0]
    return client_key(peer, headers.get("x-real-ip"), headers.get("x-forwarded-for"))


def far_client(scope: Scope) -> str:
    """Return for whom a request counts; nothing where it comes from this machine itself.

    Behind a reverse proxy that tells nothing, everybody does.
    """
    told = _told(scope)
    return "" if told in ("", EXEMPT) or is_loopback(told) else neighbourhood(told)


class RequestEdge:
    """Refuses what is too often asked, or too large, as the market's clients know it.

    Args:
        app: What is behind.
        rates: Counts.
        now: Seconds, from whenever.
        most: Bytes of a body.
    """

    def __init__(
        self, app: ASGIApp, rates: RequestRates, now: Callable[[], float], most: int
    ) -> None:
        self._app, self._rates, self._now, self._most = app, rates, now, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["path"] == HEALTH or OWN_SCOPE in scope:
            await self._app(scope, receive, send)
            return
        headers = HTTPConnection(scope).headers
        client = client_of(scope)
        length = headers.get("content-length", "")
        if not self._rates.admits(client, self._now()):
            await fault(429, RATED)(scope, receive, send)
        elif length.isdecimal() and int(length[:20]) > self._most:
            told = f"the request is over {self._most} bytes, the most that is taken here"
            await fault(413, told, {"Connection": "close"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class HeadRequests:
    """Answers HEAD as GET, with the same status and headers and no body (RFC 9110, 9.3.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        await self._app({**scope, "method": "GET"}, receive, told)
