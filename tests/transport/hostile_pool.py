"""A pool that opens the WebSocket and then does what a test wants, byte for byte."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from contextlib import asynccontextmanager, suppress

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CONTINUATION, PING, PONG, FIN = 0x1, 0x0, 0x9, 0xA, 0x80


def frame(opcode: int, data: bytes = b"", fin: int = FIN) -> bytes:
    """Write a server's frame."""
    head = bytes([fin | opcode])
    if len(data) < 126:
        return head + bytes([len(data)]) + data
    return head + bytes([126]) + len(data).to_bytes(2, "big") + data


def upgraded(head: bytes) -> bytes:
    """Return the answer that opens the WebSocket which a client's head asks for."""
    key = re.search(rb"Sec-WebSocket-Key: (\S+)", head, re.IGNORECASE)[1]
    accept = base64.b64encode(hashlib.sha1(key + _GUID).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


@asynccontextmanager
async def hostile(said=b"", *, again=b"", reads=True, answer=None):
    """Run it; yields its URL.

    Args:
        said: A text frame's content, sent once.
        again: Bytes sent again and again, until the worker hangs up.
        reads: Whether it reads what the worker sends.
        answer: Bytes instead of the WebSocket's opening.
    """
    tasks = set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        with suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer or upgraded(head))
            if not reads:
                writer.transport.pause_reading()
            if said:
                writer.write(frame(TEXT, said))
            while again and not writer.transport.is_closing():
                writer.write(again)
                await writer.drain()
                await asyncio.sleep(0)
            await reader.read()
        writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
