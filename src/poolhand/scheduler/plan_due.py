"""Whether a plan is due: anybody may ask for one, placement alone waits for it."""

from __future__ import annotations

import asyncio


class PlanDue:
    """However often a plan is asked for, the next turn of the loop makes one."""

    def __init__(self) -> None:
        self._is_open, self._asked = False, asyncio.Event()

    def open(self) -> None:
        """Let plans be asked for: the scheduler has caught up with the chain."""
        self._is_open = True

    def wake(self) -> None:
        """Ask for a plan; before ``open`` nothing comes of it."""
        if self._is_open:
            self._asked.set()

    async def wait(self) -> None:
        """Return when a plan is due; it is then no longer."""
        await self._asked.wait()
        self._asked.clear()
