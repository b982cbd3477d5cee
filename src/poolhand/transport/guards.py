"""What stands before every HTTP service of ours: limits, names, and where a slash too many leads.

Bodies over the limit and, on loopback binds, requests under a foreign name (DNS rebinding) are
refused before any handler.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poolhand.domain.errors import Refused
from poolhand.transport.faults import fault_response
from poolhand.transport.plumbing import is_loopback

MAX_BODY: Final = 65_536
"""Bytes of a request body, where a service does not say otherwise."""
_ELSEWHERE: Final = 307
"""How the framework sends a client from ``/x/`` to ``/x``, and only that."""


class BodyTooLarge(Refused):
    """The request carries more than the service takes."""

    http_status = 413

    def __init__(self, most: int) -> None:
        super().__init__(f"the request body is over {most} bytes, the most that is taken here")


class ForeignHost(Refused):
    """A browser was led here under another name."""

    http_status = 403


def hosts_of(bind: str, *public_urls: str) -> frozenset[str] | None:
    """Return the names under which a service bound to ``bind`` may be asked; None: any.

    Only loopback binds are guarded: what listens to the world has no secret behind its address.
    """
    if not is_loopback(bind):
        return None
    names = {urlsplit(url).hostname for url in public_urls}
    return frozenset({"localhost", "127.0.0.1", "::1", bind, *(name for name in names if name)})


def install_guards(app: Starlette, *, max_body: int, hosts: frozenset[str] | None) -> None:
    """Put all of it before an application.

    Args:
        app: What is guarded.
        max_body: Bytes of a request body.
        hosts: Names under which it may be asked, see ``hosts_of``; None: any.
    """
    app.add_middleware(RedirectsByPath)
    app.add_middleware(BodyLimit, most=max_body)
    app.add_middleware(HostGuard, hosts=hosts)


class BodyLimit:
    """Refuses bodies over ``most`` bytes, announced or not."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        announced = HTTPConnection(scope).headers.get("content-length", "")
        if announced.isdecimal() and int(announced[:20]) > self._most:
            await fault_response(BodyTooLarge(self._most))(scope, receive, send)
            return
        left = self._most

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise BodyTooLarge(self._most)
            return message

        await self._app(scope, counted, send)


class RedirectsByPath:
    """Leads a client from ``/x/`` to ``/x`` by the path alone.

    The framework tells a whole address, with the name and scheme of what is behind a proxy.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def led(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == _ELSEWHERE:
                headers = MutableHeaders(scope=message)
                _, _, path, query, _ = urlsplit(headers["location"])
                headers["location"] = "/" + path.lstrip("/") + (f"?{query}" if query else "")
            await send(message)

        await self._app(scope, receive, led)


class HostGuard:
    """Refuses requests under a name or from a web page that is not ours.

    WebSockets with a foreign ``Origin`` are refused on every bind: workers send none.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None) -> None:
        self._app, self._hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan" or self._is_ours(HTTPConnection(scope), scope["type"]):
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
        else:
            fault = ForeignHost("ask this service under its own address: 127.0.0.1 or localhost")
            await fault_response(fault)(scope, receive, send)

    def _is_ours(self, connection: HTTPConnection, kind: str) -> bool:
        headers = connection.headers
        host, origin = _name("//" + headers.get("host", "")), headers.get("origin")
        if self._hosts is not None:
            return host in self._hosts and (origin is None or _name(origin) in self._hosts)
        return kind == "http" or origin is None or _name(origin) == host


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
