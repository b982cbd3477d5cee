"""A rate that is kept by all who share it: bytes per second, of all of them together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from poolhand.transport.again import Sleep

BURST_SECONDS: Final = 0.25
"""Seconds of the rate that may pass at once."""
PACED_BYTES: Final = 16 * 1024
"""Of a larger piece so many pass at a time: a service gives up who pauses for half a minute."""


class ByteRate:
    """Lets bytes pass at a rate that may change meanwhile.

    Args:
        rate: Tells it (bytes per second); 0: any.
        time: Tells seconds that only pass.
        pause: Lets them pass.
    """

    def __init__(
        self,
        rate: Callable[[], int] = lambda: 0,
        time: Callable[[], float] | None = None,
        pause: Sleep = asyncio.sleep,
    ) -> None:
        self._rate, self._time, self._pause = rate, time, pause
        self._free_at = 0.0

    async def passed(self, count: int) -> None:
        """Wait until so many bytes more may have passed."""
        rate = self._rate()
        if rate <= 0:
            return
        now = (self._time or asyncio.get_running_loop().time)()
        self._free_at = max(self._free_at, now) + count / rate
        if (wait := self._free_at - BURST_SECONDS - now) > 0:
            await self._pause(wait)

    async def paced(self, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield pieces at the rate; where there is one, no large ones."""
        async for piece in pieces:
            size = PACED_BYTES if self._rate() > 0 else max(len(piece), 1)
            for at in range(0, len(piece), size):
                part = piece[at : at + size]
                yield part
                await self.passed(len(part))
