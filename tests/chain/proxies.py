"""Bad company for a client: an HTTP endpoint and a TCP line in front of a good node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiohttp import web

BROADCAST = "eth_sendRawTransaction"


@dataclass
class Proxy:
    """An endpoint that forwards to a node, or does what a test tells it to."""

    target: str
    client: httpx.AsyncClient
    url: str = ""
    requests: int = 0
    methods: list[str] = field(default_factory=list)
    fault: Callable[[], web.Response] | None = None
    frozen_at: int | None = None
    stop_at: str = ""
    stop_after: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    replies: dict[str, object] = field(default_factory=dict)
    widest_logs: int | None = None
    largest_batch: int = 10**6
    lose_answer_of: str = ""
    taken: list | None = None
    """Shared by proxies: the first broadcast is taken unanswered, further ones are refused."""
    meanwhile: Callable[[], Awaitable[None]] | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, method: str, *, after: bool) -> None:
        """Go silent for ever at a method, before or after the node has done it."""
        self.stop_at, self.stop_after = method, after

    async def asked(self, more: int) -> None:
        """Wait, at most 20 s, for so many more requests."""
        wanted = self.requests + more
        async with asyncio.timeout(60):
            while self.requests < wanted:
                self.news.clear()
                await self.news.wait()

    async def serve(self, request: web.Request) -> web.Response:
        raw = await request.json()
        asked = raw if isinstance(raw, list) else [raw]
        methods = [each["method"] for each in asked]
        self.requests += 1
        self.methods += methods
        self.news.set()
        refused = self._refused(asked, methods)
        if refused is not None:
            return refused
        if self.meanwhile is not None and "eth_call" in methods:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        await self._stop(methods, after=False)
        answer = await self.client.post(self.target, json=self._asked(asked))
        await self._stop(methods, after=True)
        if self._lost(methods):
            return web.Response(status=504)
        found = [_replied(self, q, a) for q, a in zip(asked, answer.json(), strict=True)]
        return web.json_response(found if isinstance(raw, list) else found[0])

    def _asked(self, asked: list[dict]) -> list[dict]:
        if self.frozen_at is not None:
            asked = json.loads(json.dumps(asked).replace('"latest"', f'"{hex(self.frozen_at)}"'))
        return asked

    def _refused(self, asked: list[dict], methods: list[str]) -> web.Response | None:
        if self.fault is not None:
            return self.fault()
        if len(asked) > self.largest_batch:
            return _refusal(None, -32600, "batch too large")
        if self.taken and BROADCAST in methods:
            self.taken.append(methods)
            return _refusal(asked[0]["id"], -32000, "insufficient funds for gas * price + value")
        return None

    def _lost(self, methods: list[str]) -> bool:
        if self.taken is not None and BROADCAST in methods:
            self.taken.append(methods)
            return True
        return self.lose_answer_of in methods

    async def _stop(self, methods: list[str], *, after: bool) -> None:
        if self.stop_at in methods and self.stop_after is after:
            self.stopped.set()
            await self.ended.wait()


@asynccontextmanager
async def http_proxy(target: str) -> AsyncIterator[Proxy]:
    async with httpx.AsyncClient(trust_env=False) as client:
        proxy = Proxy(target, client)
        app = web.Application(client_max_size=10**8)
        app.router.add_post("/", proxy.serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield proxy
        finally:
            proxy.ended.set()
            await runner.cleanup()


def _refusal(number: int | None, code: int, message: str) -> web.Response:
    error = {"code": code, "message": message}
    return web.json_response({"jsonrpc": "2.0", "id": number, "error": error})


def _replied(proxy: Proxy, asked: dict, answer: dict) -> dict:
    reply = proxy.replies.get(asked["method"])
    if proxy.widest_logs is not None and "fromBlock" in str(asked["params"]):
        where = asked["params"][0]
        if int(where["toBlock"], 16) - int(where["fromBlock"], 16) >= proxy.widest_logs:
            reply = {"error": {"code": -32005, "message": "query returned more than 10000 results"}}
    return answer if reply is None else {"jsonrpc": "2.0", "id": answer["id"], **reply}


@dataclass
class Line:
    """A TCP line that can be cut; ``url`` is that of a WebSocket."""

    url: str = ""
    writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        for writer in self.writers:
            writer.transport.abort()


@asynccontextmanager
async def tcp_line(port: int) -> AsyncIterator[Line]:
    line = Line()
    tasks: set[asyncio.Task] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
        line.writers |= {writer, far_writer}
        await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    line.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield line
    finally:
        server.close()
        line.cut()
        await asyncio.gather(*tasks, return_exceptions=True)
