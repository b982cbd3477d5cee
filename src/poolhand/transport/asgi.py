"""What every HTTP service of Poolhand shares: errors as JSON, limits, and a server without signals.

Faults leave as ``{"code", "message"}`` with the status of their kind; bodies over the limit and,
on loopback binds, requests under a foreign name (DNS rebinding) are refused before any handler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poolhand import __version__
from poolhand.domain.errors import Bug, PoolhandError, Refused, Unavailable
from poolhand.domain.form_faults import form_fault
from poolhand.domain.text import shown
from poolhand.transport.api_page import api_page
from poolhand.transport.described import DescribedApplication
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.listen import bind, port_of, serve, serve_on
from poolhand.transport.plumbing import is_loopback
from poolhand.wire.json_models import ServiceFault

__all__ = ["application", "bind", "hosts_of", "port_of", "serve", "serve_on"]

_log = structlog.get_logger()

MAX_BODY: Final = 65_536
"""Bytes of a request body, where a service does not say otherwise."""
MAX_MESSAGE: Final = 2_000
"""Characters of an error's message; it may quote what was asked."""
RETRY_AFTER: Final = "5"
"""Seconds that a client of an unavailable service is asked to wait."""
_ELSEWHERE: Final = 307
"""How the framework sends a client from ``/x/`` to ``/x``, and only that."""

FAULTS: Final[dict[int | str, dict[str, Any]]] = {
    "default": {"model": ServiceFault, "description": "What keeps it from being done."}
}
"""What every endpoint may answer instead."""

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class BodyTooLarge(Refused):
    """The request carries more than the service takes."""

    http_status = 413

    def __init__(self, most: int) -> None:
        super().__init__(f"the request body is over {most} bytes, the most that is taken here")


class ForeignHost(Refused):
    """A browser was led here under another name."""

    http_status = 403


def service_router(**options: Any) -> APIRouter:
    """Return a router for endpoints of ``application``, which takes them as they are.

    FastAPI's own way, to include a router into an application, makes every endpoint anew.

    Args:
        options: Of FastAPI's router.
    """
    return APIRouter(responses=FAULTS, default_response_class=JsonAnswer, **options)


def application(
    title: str,
    routes: Iterable[APIRouter | BaseRoute],
    *,
    max_body: int = MAX_BODY,
    hosts: frozenset[str] | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """Build a service.

    Args:
        title: Shown in its OpenAPI document (``/openapi.json``, ``/docs``).
        routes: Routers (``service_router``), plain routes (WebSockets), and described ones.
        max_body: Bytes of a request body.
        hosts: Names under which it may be asked, see ``hosts_of``; None: any.
        lifespan: Runs around the service.
    """
    app = DescribedApplication(
        title=title,
        version=__version__,
        lifespan=lifespan,
        docs_url=None,  # it loads from a CDN
        redoc_url=None,
        default_response_class=JsonAnswer,
    )
    app.router.routes.append(api_page(app))
    for route in routes:
        app.router.routes.extend(route.routes if isinstance(route, APIRouter) else (route,))
    app.add_exception_handler(PoolhandError, _tell_fault)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    app.add_exception_handler(HTTPException, _tell_http)
    app.add_exception_handler(ClientDisconnect, _tell_gone)
    app.add_exception_handler(Exception, _tell_crash)
    app.add_middleware(RedirectsByPath)
    app.add_middleware(BodyLimit, most=max_body)
    app.add_middleware(HostGuard, hosts=hosts)
    return app


def hosts_of(bind: str, *public_urls: str) -> frozenset[str] | None:
    """Return the names under which a service bound to ``bind`` may be asked; None: any.

    Only loopback binds are guarded: what listens to the world has no secret behind its address.
    """
    if not is_loopback(bind):
        return None
    names = {urlsplit(url).hostname for url in public_urls}
    return frozenset({"localhost", "127.0.0.1", "::1", bind, *(name for name in names if name)})


# ------------------------------------------------------------------------------------------- errors


def fault_response(fault: PoolhandError) -> JSONResponse:
    """Write an error as JSON; an invariant of ours that broke is not explained to strangers."""
    headers = {"Retry-After": RETRY_AFTER} if isinstance(fault, Unavailable) else None
    told = "the service has a fault of its own" if isinstance(fault, Bug) else str(fault)
    return _body(fault.http_status, fault.code, told, headers)


def _body(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    told = {"code": code, "message": shown(message, MAX_MESSAGE, lines=True)}
    return JsonAnswer(told, status, headers)


async def _tell_fault(request: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, PoolhandError)
    if isinstance(fault, Bug):
        _log.error("request_crashed", path=request.url.path, exc_info=fault)
    return fault_response(fault)


async def _tell_invalid(_: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, RequestValidationError)
    told = "; ".join(
        form_fault(".".join(str(part) for part in error["loc"][1:]) or "the body", error)
        for error in fault.errors()[:5]
    )
    return _body(400, "invalid-request", told)


async def _tell_http(_: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, HTTPException)
    code = "-".join(str(fault.detail).lower().split()) or "http"
    headers = dict(fault.headers) if fault.headers else None
    return _body(fault.status_code, code, str(fault.detail), headers)


async def _tell_gone(_: Request, __: Exception) -> JSONResponse:
    """Answer a client that left, or was cut, in the middle of its body: nobody is there to read."""
    return _body(400, "broken-off", "the request broke off: send it again")


async def _tell_crash(request: Request, fault: Exception) -> JSONResponse:
    _log.error("request_crashed", path=request.url.path, exc_info=fault)
    return _body(500, "internal", "the service has a fault of its own")


# --------------------------------------------------------------------------------------- middleware


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
