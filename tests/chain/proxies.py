"""Bad company for a client: an HTTP endpoint and a TCP line in front of a good node."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx
from aiohttp import web


@dataclass
class Proxy:
    """An endpoint that forwards to a node, or does what a test tells it to."""

    url: str = ""
    requests: int = 0
    methods: list[str] = field(default_factory=list)
    fault: Callable[[], web.Response] | None = None
    frozen_at: int | None = None
    stop_at: str = ""
    stop_after: bool = False
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    replies: dict[str, object] = field(default_factory=dict)
    widest_logs: int | None = None
    largest_batch: int = 10**6
    lose_answer_of: str = ""
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def stop(self, method: str, *, after: bool) -> None:
        """Go silent for ever at a method, before or after the node has done it."""
        self.stop_at, self.stop_after = method, after

    async def asked(self, more: int) -> None:
        """Wait, at most 20 s, for so many more requests."""
        wanted = self.requests + more
        async with asyncio.timeout(20):
            while self.requests < wanted:
                self.news.clear()
                await self.news.wait()

    def handle(self, asked: list[dict]) -> list[dict]:
        if self.frozen_at is not None:
            asked = json.loads(json.dumps(asked).replace('"latest"', f'"{hex(self.frozen_at)}"'))
        return asked


@asynccontextmanager
async def http_proxy(target: str) -> AsyncIterator[Proxy]:
    proxy = Proxy()
    ended = asyncio.Event()

    async def serve(request: web.Request) -> web.Response:
        raw = await request.json()
        asked = raw if isinstance(raw, list) else [raw]
        methods = [each["method"] for each in asked]
        proxy.requests += 1
        proxy.methods += methods
        proxy.news.set()
        if proxy.fault is not None:
            return proxy.fault()
        if len(asked) > proxy.largest_batch:
            refusal = {"code": -32600, "message": "batch too large"}
            return web.json_response({"jsonrpc": "2.0", "id": None, "error": refusal})
        stops = proxy.stop_at in methods
        if stops and not proxy.stop_after:
            proxy.stopped.set()
            await ended.wait()
        answer = await client.post(target, json=proxy.handle(asked))
        if stops:
            proxy.stopped.set()
            await ended.wait()
        if proxy.lose_answer_of in methods:
            return web.Response(status=504)
        found = [_replied(proxy, q, a) for q, a in zip(asked, answer.json(), strict=True)]
        return web.json_response(found if isinstance(raw, list) else found[0])

    app = web.Application(client_max_size=10**8)
    app.router.add_post("/", serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            yield proxy
        finally:
            ended.set()
            await runner.cleanup()


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
