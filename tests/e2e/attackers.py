"""Strangers on this machine who hold connections for nothing and flood WebSockets, within bounds."""

from __future__ import annotations

import asyncio
import base64
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from urllib.parse import urlsplit

IDLE, FLOODS, ROUND = 150, 4, 0.5
"""Connections to each service, WebSockets that flood; seconds until they are opened again."""
PINGS = (b"\x89\xfd" + bytes(4) + b"x" * 125) * 200


async def _hold(port: int, stop: asyncio.Event) -> None:
    """Open connections that say nothing or a byte at a time, again and again."""
    while not stop.is_set():
        ends = []
        with suppress(OSError):
            for number in range(IDLE):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                ends.append(writer)
                if number % 2:
                    writer.write(b"G")
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), ROUND)
        for writer in ends:
            writer.transport.abort()


async def _flood(port: int, stop: asyncio.Event) -> None:
    """Open the workers' WebSocket and send pings before any login, again and again."""
    key = base64.b64encode(os.urandom(16)).decode()
    head = (
        f"GET /worker HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: Upgrade\r\n"
        f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    )
    while not stop.is_set():
        with suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(head.encode())
            for _ in range(20):
                writer.write(PINGS)
                await writer.drain()
                await asyncio.sleep(0.01)
            writer.transport.abort()
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), ROUND)


@contextmanager
def attack(pool_url: str, *urls: str) -> Iterator[None]:
    """Attack a pool and other services until left."""
    loop, stop = asyncio.new_event_loop(), asyncio.Event()
    ports = [int(urlsplit(url).port or 80) for url in (pool_url, *urls)]

    async def all_of_them() -> None:
        floods = [_flood(ports[0], stop) for _ in range(FLOODS)]
        await asyncio.gather(*floods, *(_hold(port, stop) for port in ports))

    thread = threading.Thread(target=lambda: loop.run_until_complete(all_of_them()))
    thread.start()
    try:
        yield
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
