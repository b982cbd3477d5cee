"""Waking whoever waits for the next block."""

from __future__ import annotations

import asyncio


class FakeBell:
    """Rings once for everybody who waits; may be rung outside of an event loop."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Event] = set()

    async def wait(self) -> None:
        """Wait for the next ring."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            await event.wait()
        finally:
            self._waiting.discard(event)

    def ring(self) -> None:
        """Wake everybody who waits now."""
        for event in self._waiting:
            event.set()
