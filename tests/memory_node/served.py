"""The node in memory behind a provider's gateway: over HTTP and WebSocket, with their manners."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from memory_node.node import MemoryNode
from poolhand.settings.chain import ChainSettings

Judge = Callable[[list[dict]], web.Response | None]


@dataclass
class Provider:
    """A gateway.

    Attributes:
        judge: Answers requests itself, or passes them on by returning None; WebSockets get the
            text of what it returns.
        reword: Changes what the node answered.
        handshake: Answers who wants a WebSocket, in the place of one.
        batches: How many requests each message had, in order.
    """

    node: MemoryNode
    url: str = ""
    judge: Judge = lambda _asked: None
    reword: Callable[[list[dict], list[dict]], web.Response | None] = lambda _asked, _told: None
    handshake: Callable[[], web.Response | None] = lambda: None
    batches: list[int] = field(default_factory=list)
    methods: list[list[str]] = field(default_factory=list)

    @property
    def ws_url(self) -> str:
        return self.url.replace("http", "ws", 1) + "/ws"

    def settings(self, *urls: str, **changes: Any) -> ChainSettings:
        facts = self.node.chain.facts
        known = {"chain_id": facts.chain_id, "poll_seconds": 3600.0, **changes}
        return ChainSettings(urls or (self.url,), facts.hub, **known)

    def _note(self, raw: Any) -> list[dict]:
        asked = raw if isinstance(raw, list) else [raw]
        self.batches.append(len(asked))
        self.methods.append([each["method"] for each in asked])
        return asked

    async def post(self, request: web.Request) -> web.Response:
        raw = await request.json()
        asked = self._note(raw)
        refused = self.judge(asked)
        if refused is not None:
            return refused
        told = [self.node.answer(each) for each in asked]
        reworded = self.reword(asked, told)
        if reworded is not None:
            return reworded
        return web.json_response(told if isinstance(raw, list) else told[0])

    async def socket(self, request: web.Request) -> web.StreamResponse:
        refused = self.handshake()
        if refused is not None:
            return refused
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            await self._hear(socket, json.loads(message.data))
        return socket

    async def _hear(self, socket: web.WebSocketResponse, raw: Any) -> None:
        asked = self._note(raw)
        refused = self.judge(asked)
        if refused is not None:
            await socket.send_str(refused.text)
            return
        told = [self.node.answer(each) for each in asked]
        reworded = self.reword(asked, told)
        if reworded is not None:
            await socket.send_str(reworded.text)
            return
        await socket.send_str(json.dumps(told if isinstance(raw, list) else told[0]))


@asynccontextmanager
async def provider(node: MemoryNode | None = None) -> AsyncIterator[Provider]:
    """Serve a node on loopback."""
    made = Provider(node or MemoryNode())
    app = web.Application(client_max_size=10**8)
    app.router.add_post("/", made.post)
    app.router.add_get("/ws", made.socket)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield made
    finally:
        await runner.cleanup()


def error(number: Any, code: int, text: str, status: int = 200, **headers: str) -> web.Response:
    """Answer one JSON-RPC error, with any status."""
    body = {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.json_response(body, status=status, headers=named)
