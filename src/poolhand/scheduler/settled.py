"""What has settled, for whoever asks, and how long it is kept (retention).

The loop waits for no disk, and nobody reads it all.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import DAY, UnixSeconds
from poolhand.ports.archive import SettledArchive, TaskLine
from poolhand.ports.clock import Clock

PRUNED_AT_ONCE: Final = 500
"""Tasks that are forgotten in one transaction."""
BETWEEN_PRUNINGS: Final = 3600.0
"""Seconds."""


class SettledTasks:
    """Asks the archive in a thread, and knows how many there are of each status."""

    def __init__(self, archive: SettledArchive) -> None:
        self._archive = archive
        self._counts: Counter[TaskStatus] = Counter()

    def recover(self) -> None:
        """Read how many there are."""
        self._counts = Counter(self._archive.counts())

    def left(self, task: Task) -> None:
        """Count one that has settled."""
        self._counts[task.status] += 1

    def count(self, status: TaskStatus) -> int:
        """Return how many have settled with a status."""
        return self._counts[status]

    async def task(self, task_id: TaskId) -> Task | None:
        """Return a settled task."""
        return await asyncio.to_thread(self._archive.task, task_id)

    async def tasks(
        self, status: TaskStatus | None, before: TaskId | None, most: int
    ) -> Sequence[Task]:
        """Return settled tasks, the one that settled last first."""
        return await asyncio.to_thread(self._archive.tasks, status, before, most)

    async def deal(self, deal_id: DealId) -> Deal | None:
        """Return a deal."""
        return await asyncio.to_thread(self._archive.deal, deal_id)

    async def lines(self, deal_id: DealId, first: int, end: int) -> Sequence[TaskLine]:
        """Return the settled tasks of a deal: from one index on, before another."""
        return await asyncio.to_thread(self._archive.lines, deal_id, first, end)

    async def ended(self, deal_id: DealId) -> frozenset[TaskId]:
        """Return those tasks of a deal that the chain has ended for good."""
        return await asyncio.to_thread(self._archive.ended, deal_id)

    async def keep_pruning(self, clock: Clock, days: int) -> None:
        """Forget what is older than so many days, for ever; 0 keeps everything."""
        while days:
            before = UnixSeconds(clock.now() - days * DAY)
            pruned = await asyncio.to_thread(self._archive.prune, before, PRUNED_AT_ONCE)
            if pruned:
                self._counts = Counter(await asyncio.to_thread(self._archive.counts))
            if pruned < PRUNED_AT_ONCE:
                await clock.sleep(BETWEEN_PRUNINGS)
