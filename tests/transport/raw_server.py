"""Loopback servers that say exactly what a test wants, byte for byte."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Raw:
    """Where it listens, and the head of every request it got."""

    port: int
    heads: list[str] = field(default_factory=list)

    def url(self, path="/f", host="127.0.0.1", scheme="http"):
        return f"{scheme}://{host}:{self.port}{path}"


def body(content, *, status="200 OK", headers=""):
    """Return a script that answers with a body and its true length."""
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(content)}\r\n{headers}\r\n"

    async def script(writer, _head):
        writer.write(head.encode() + content)

    return script


def said(raw):
    """Return a script that writes bytes as they are and hangs up."""

    async def script(writer, _head):
        writer.write(raw)

    return script


def redirect(location):
    return said(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())


@asynccontextmanager
async def raw_server(script, host="127.0.0.1", tls=None):
    """Serve every request with ``script``; connections are cut at the end."""
    tasks = set()

    async def handle(reader, writer):
        tasks.add(asyncio.current_task())
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            made.heads.append(head)
            await script(writer, head)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(handle, host, 0, ssl=tls)
    made = Raw(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await server.wait_closed()
