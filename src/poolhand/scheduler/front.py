"""What answers at the pool's port: who stands by, if anybody does, and then the pool itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from socket import socket
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from poolhand.domain.errors import Unavailable
from poolhand.ports.lead import Fence, LeadLost
from poolhand.transport.asgi import fault_response, serve_on
from poolhand.transport.guarded_socket import GUARD

LEAVING: Final = 1001
"""WebSocket close code: an endpoint goes away (RFC 6455, section 7.4.1)."""


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
    """An app that says nothing more once its process has lost the lead.

    It is asked as a request comes, and again as the answer leaves: whoever slept in between must
    not promise what another has promised since.
    """

    def __init__(self, app: ASGIApp, fence: Fence) -> None:
        self._app, self._fence = app, fence

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or say that another process leads."""
        if (guard := scope.get("extensions", {}).get(GUARD)) is not None:
            guard.put_behind(self._fence)
        answer = _FencedAnswer(scope, receive, send, self._fence)
        try:
            self._fence.check()
            await self._app(scope, receive, answer.send)
        except LeadLost:
            await answer.lose()


class _FencedAnswer:
    """One answer, or one conversation, on its way out."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, fence: Fence) -> None:
        self._scope, self._receive, self._send, self._fence = scope, receive, send, fence
        self._held: Message | None = None
        self._has_begun, self._is_over = False, False

    async def send(self, message: Message) -> None:
        """Pass a message on as long as we lead; an answer's status leaves with its first bytes."""
        if self._is_over:
            return
        if message["type"] == "http.response.start":
            self._held = message
            return
        held, self._held = self._held, None
        for each in (held, message) if held else (message,):
            try:
                self._fence.check()
            except LeadLost:
                await self.lose()
                return
            self._has_begun = True
            await self._send(each)

    async def lose(self) -> None:
        """Say that another leads; an answer that has begun is cut, for nothing more follows."""
        if self._is_over:
            return
        self._is_over = True
        if self._scope["type"] == "websocket":
            await self._send({"type": "websocket.close", "code": LEAVING})
        elif not self._has_begun:
            await fault_response(AnotherLeads())(self._scope, self._receive, self._send)
