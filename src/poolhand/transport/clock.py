"""Time and chance: the system's, and ones that a test moves."""

from __future__ import annotations

import asyncio
import os
import time
from heapq import heappop, heappush
from itertools import count
from random import Random

from poolhand.domain.units import UnixSeconds


def passed() -> float:
    """Return seconds since whenever, never set; they pass while the machine sleeps, if they can."""
    known = getattr(time, "CLOCK_BOOTTIME", None)  # Linux; elsewhere ``monotonic`` is as good
    return time.monotonic() if known is None else time.clock_gettime(known)


class SystemClock:
    """Implements ``ports.clock.Clock`` with the machine's clock."""

    def __init__(self) -> None:
        self._offset = time.time() - passed()

    def now(self) -> UnixSeconds:
        """Return whole seconds since 1970."""
        return UnixSeconds(int(time.time()))

    def steady(self) -> UnixSeconds:
        """Return them as they were counted on since this clock was made."""
        return UnixSeconds(int(self._offset + passed()))

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
        self._now, self._set_by = float(start), 0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = count()

    def now(self) -> UnixSeconds:
        """Return whole seconds since 1970."""
        return UnixSeconds(int(self._now) + self._set_by)

    def steady(self) -> UnixSeconds:
        """Return the seconds that have passed, wherever the clock was set to."""
        return UnixSeconds(int(self._now))

    def set_by(self, seconds: int) -> None:
        """Set the clock, forth or back, without letting time pass."""
        self._set_by += seconds

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
