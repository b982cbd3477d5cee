"""Waking everybody who waits for news, and missing none of it."""

from __future__ import annotations

import asyncio


class Bell:
    """Counts its rings: who names the last one heard is never left waiting for one that was."""

    def __init__(self) -> None:
        self.rings = 0
        self._next: asyncio.Future[None] | None = None
        self._fault: BaseException | None = None

    async def wait(self, heard: int) -> int:
        """Wait until it has rung more than ``heard`` times; returns how often it has.

        Raises:
            BaseException: What ``crack`` was given.
        """
        while self.rings <= heard and self._fault is None:
            if self._next is None:
                self._next = asyncio.get_running_loop().create_future()
            await asyncio.shield(self._next)
        if self._fault is not None:
            raise self._fault
        return self.rings

    def ring(self) -> None:
        """Wake everybody who waits."""
        self.rings += 1
        waiting, self._next = self._next, None
        if waiting is not None:
            waiting.set_result(None)

    def crack(self, fault: BaseException) -> None:
        """There will be no more news: everybody, now and later, is told why."""
        self._fault = fault
        self.ring()
