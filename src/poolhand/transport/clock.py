"""Time and chance: the system's, and ones that a test holds in its hand."""

from __future__ import annotations

import asyncio
import os
import time
from heapq import heappop, heappush
from itertools import count
from random import Random

from poolhand.domain.units import UnixSeconds


class SystemClock:
    """Implements ``ports.clock.Clock`` with the machine's clock."""

    def now(self) -> UnixSeconds:
        """Return whole seconds since 1970."""
        return UnixSeconds(int(time.time()))

    async def sleep(self, seconds: float) -> None:
        """Let at least that long pass."""
        await asyncio.sleep(seconds)


class SystemEntropy:
    """Implements ``ports.clock.Entropy`` with the system's randomness."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` bytes fit for nonces and salts."""
        return os.urandom(count)


class ManualClock:
    """A clock that stands still until ``advance`` moves it; for tests and simulations."""

    def __init__(self, start: int = 1_700_000_000) -> None:
        self._now = float(start)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> UnixSeconds:
        """Return whole seconds since 1970."""
        return UnixSeconds(int(self._now))

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock has been moved that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self._now + seconds, next(self._order), done))
        await done

    @property
    def sleepers(self) -> int:
        """How many wait for time to pass."""
        return sum(not done.done() for _, _, done in self._sleepers)

    def advance(self, seconds: float) -> None:
        """Let time pass, waking sleepers in the order in which they are due."""
        target = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= target:
            self._now, _, done = heappop(self._sleepers)
            if not done.done():
                done.set_result(None)
        self._now = target


class SeededEntropy:
    """Bytes that repeat with their seed; for tests and simulations, never for keys."""

    def __init__(self, seed: int = 0) -> None:
        self._random = Random(seed)  # noqa: S311 - repeatable on purpose

    def bytes(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        return self._random.randbytes(count)
