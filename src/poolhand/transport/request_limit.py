"""How many requests a service works on at once; its health is answered all the same."""

from __future__ import annotations

from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poolhand.transport.refusal_form import RefusalForm, code_and_message
from poolhand.transport.waiting import ServiceLimits

HEALTH_PATH: Final = "/health"
"""Answered from the reserve."""


class RequestLimit:
    """Refuses requests over the limit with 503, to be tried again."""

    def __init__(
        self, app: ASGIApp, limits: ServiceLimits, form: RefusalForm = code_and_message
    ) -> None:
        self._app, self._limits, self._form = app, limits, form
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; WebSockets have limits of their own."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reserve = self._limits.reserve if scope["path"] == HEALTH_PATH else 0
        if self._under_way >= self._limits.requests + reserve:
            busy = JSONResponse(
                self._form("too-busy", "too many requests at once: try again in a moment"),
                503,
                {"Retry-After": "5", "Connection": "close"},
            )
            await busy(scope, receive, send)
            return
        counted = _Counted(self, send)
        self._under_way += 1
        try:
            await self._app(scope, receive, counted)
        finally:
            counted.end()

    def less(self) -> None:
        """Note that a request is not worked on any more."""
        self._under_way -= 1


class _Counted:
    """The way back of one request; a stream of events counts no longer once it has begun.

    It is nothing that is worked on: it waits for news. Who opens streams bounds their number.
    """

    def __init__(self, limit: RequestLimit, send: Send) -> None:
        self._limit, self._send, self._counts = limit, send, True

    async def __call__(self, message: Message) -> None:
        """Send on."""
        if message["type"] == "http.response.start" and _is_stream(message):
            self.end()
        await self._send(message)

    def end(self) -> None:
        """Count no longer; repeatable."""
        if self._counts:
            self._counts = False
            self._limit.less()


def _is_stream(message: Message) -> bool:
    kinds = (value for name, value in message["headers"] if name.lower() == b"content-type")
    return next(kinds, b"").startswith(b"text/event-stream")
