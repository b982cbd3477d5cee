"""Time between requests, as a thing that a test can hold."""

from __future__ import annotations

import asyncio
from typing import Protocol


class Pace(Protocol):
    """Seconds since whenever, never turned back."""

    def time(self) -> float:
        """Return what time it is."""

    async def sleep(self, seconds: float) -> None:
        """Let at least that long pass."""


class LoopPace:
    """Implements ``Pace`` with the event loop's clock."""

    def time(self) -> float:
        """Return what time it is."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Let at least that long pass."""
        await asyncio.sleep(seconds)
