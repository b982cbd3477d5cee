"""How many requests a service works on at once; its health is answered all the same."""

from __future__ import annotations

from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from poolhand.transport.waiting import ServiceLimits

HEALTH: Final = "/health"
"""Answered from the reserve."""


class RequestLimit:
    """Refuses requests over the limit with 503, to be tried again."""

    def __init__(self, app: ASGIApp, limits: ServiceLimits) -> None:
        self._app, self._limits = app, limits
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; WebSockets have limits of their own."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        reserve = self._limits.reserve if scope["path"] == HEALTH else 0
        if self._under_way >= self._limits.requests + reserve:
            busy = JSONResponse(
                {"code": "too-busy", "message": "too many requests at once: try again in a moment"},
                503,
                {"Retry-After": "5", "Connection": "close"},
            )
            await busy(scope, receive, send)
            return
        self._under_way += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way -= 1
