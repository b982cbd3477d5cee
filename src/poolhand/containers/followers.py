"""Who follows what a container prints: they read its end before it is removed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

LONGEST_LAST_READ: Final = 5.0
"""Seconds for which a run that has ended waits for them."""


class Followers:
    """Those of one engine, by the names of containers."""

    def __init__(self) -> None:
        self._reading: dict[str, set[asyncio.Event]] = {}

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Be one of them until the end of the context."""
        done = asyncio.Event()
        self._reading.setdefault(name, set()).add(done)
        try:
            yield
        finally:
            done.set()
            self._reading[name].discard(done)
            if not self._reading[name]:
                del self._reading[name]

    async def heard_out(self, name: str) -> None:
        """Wait, for a while, until all of them have read to the end."""
        waits = [asyncio.create_task(each.wait()) for each in self._reading.get(name, ())]
        if waits:
            _, late = await asyncio.wait(waits, timeout=LONGEST_LAST_READ)
            for each in late:
                each.cancel()
