"""What answers at the pool's port: who stands by, if anybody does, and then the pool itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket

from starlette.types import ASGIApp, Receive, Scope, Send

from poolhand.domain.errors import Unavailable
from poolhand.ports.lead import Fence, LeadLost
from poolhand.transport.asgi import fault_response, serve_on


class AnotherLeads(Unavailable):
    """This process led its pool until a moment ago: whoever asks has to ask the pool once more."""

    def __init__(self) -> None:
        super().__init__(
            "this process no longer leads its pool: ask again in a moment, at the address under "
            "which the pool is known"
        )


class Front:
    """One server for one port, whatever answers at it.

    Args:
        listener: Bound and listening.
    """

    def __init__(self, listener: socket) -> None:
        self._listener = listener
        self._app: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request to whatever answers now."""
        assert self._app is not None
        await self._app(scope, receive, send)

    @asynccontextmanager
    async def answers(self, app: ASGIApp) -> AsyncIterator[None]:
        """Answer by an app until the end of the block, then by the one before.

        The port is open from the first app's entering to its end.
        """
        before, self._app = self._app, app
        if before is not None:
            try:
                yield
            finally:
                self._app = before
            return
        async with asyncio.TaskGroup() as tasks:
            is_open = asyncio.Event()
            serving = tasks.create_task(serve_on(self, self._listener, lambda _port: is_open.set()))
            await is_open.wait()
            try:
                yield
            finally:
                serving.cancel()


class FencedApp:
    """An app that says nothing more once its process has lost the lead."""

    def __init__(self, app: ASGIApp, fence: Fence) -> None:
        self._app, self._fence = app, fence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say that another process leads."""
        try:
            self._fence.check()
        except LeadLost:
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1001})
                return
            await fault_response(AnotherLeads())(scope, receive, send)
            return
        await self._app(scope, receive, send)
