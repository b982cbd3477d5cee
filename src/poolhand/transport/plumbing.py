"""What both ends of a session need from asyncio: a race, an outbox, a mailbox."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Generic, TypeVar

from poolhand.domain.units import UnixSeconds

T = TypeVar("T")


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run all until the first ends, cancel the others, raise what the first raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


class Outbox:
    """Frames waiting for one connection; ``end`` discards them and stops the writer.

    Attributes:
        farewell: Its last frame.
        written_at: When its writer wrote a frame last (Unix seconds).
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._frames: deque[str] = deque()
        self._stirred = asyncio.Event()
        self._ended = False
        self.farewell: str | None = None
        self.written_at = UnixSeconds(0)

    def __len__(self) -> int:
        return len(self._frames)

    def put(self, frame: str) -> bool:
        """Queue a frame; False when ``most`` are waiting: the consumer is too slow."""
        if self._ended or len(self._frames) >= self._most:
            return self._ended
        self._frames.append(frame)
        self._stirred.set()
        return True

    def end(self, farewell: str | None = None) -> None:
        """Stop the connection; ``farewell`` is its last frame."""
        if not self._ended:
            self._ended, self.farewell = True, farewell
            self._frames.clear()
            self._stirred.set()

    async def next(self) -> str | None:
        """Wait for a frame to write; None when the connection is to end."""
        while not self._frames:
            if self._ended:
                return None
            self._stirred.clear()
            await self._stirred.wait()
        return self._frames.popleft()


class Mailbox(Generic[T]):
    """Deliveries waiting for one slow reader; putting never waits, ``room`` does."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._items: asyncio.Queue[T] = asyncio.Queue()
        self._taken = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether whoever puts should wait for ``room`` first."""
        return self._items.qsize() >= self._most

    def put(self, item: T) -> None:
        """Add a delivery; it will not be lost if the caller is cancelled."""
        self._items.put_nowait(item)

    async def room(self) -> None:
        """Wait until fewer than ``most`` deliveries wait."""
        while self.is_full:
            self._taken.clear()
            await self._taken.wait()

    async def take(self) -> T:
        """Wait for the next delivery."""
        item = await self._items.get()
        self._taken.set()
        return item


async def attempt(
    coroutine: Coroutine[Any, Any, None], seconds: float, *also: type[Exception]
) -> None:
    """Try for that long; a dead connection, told by OSError or ``also``, is no matter."""
    with suppress(OSError, RuntimeError, *also):
        async with asyncio.timeout(seconds):
            await coroutine


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ip_address(host or "").is_loopback
    except ValueError:
        return False
