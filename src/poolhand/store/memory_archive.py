"""Rows in memory: as those of a database, gone with the process."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import UnixSeconds
from poolhand.ports.archive import KeptDeal, SettledRow, TaskLine


class MemoryArchive:
    """Implements ``ports.archive.SettledArchive``; for tests and simulations, so it may scan."""

    def __init__(self) -> None:
        self._tasks: dict[TaskId, Task] = {}
        self._deals: dict[DealId, KeptDeal] = {}

    def keep(self, row: SettledRow) -> None:
        """Write a row, or write it anew."""
        if isinstance(row, KeptDeal):
            self._deals[row.deal.deal_id] = row
        else:
            self._tasks.pop(row.facts.task_id, None)
            self._tasks[row.facts.task_id] = row

    def task(self, task_id: TaskId) -> Task | None:
        """Return a settled task."""
        return self._tasks.get(task_id)

    def tasks(self, status: TaskStatus | None, before: TaskId | None, most: int) -> Sequence[Task]:
        """Return settled tasks, the one that settled last first."""
        newest = list(reversed(self._tasks.values()))
        names = [task.facts.task_id for task in newest]
        start = names.index(before) + 1 if before in self._tasks else 0
        found = (task for task in newest[start:] if status in (None, task.status))
        return list(islice(found, most))

    def deal(self, deal_id: DealId) -> Deal | None:
        """Return a deal."""
        kept = self._deals.get(deal_id)
        return kept.deal if kept else None

    def lines(self, deal_id: DealId, first: int, end: int) -> Sequence[TaskLine]:
        """Return settled tasks of a deal in order of their index: from one on, before another."""
        found = [
            TaskLine(task.facts.task_id, task.facts.index, task.status)
            for task in self._tasks.values()
            if task.facts.deal_id == deal_id and first <= task.facts.index < end
        ]
        return sorted(found, key=lambda line: line.index)

    def ended(self, deal_id: DealId) -> frozenset[TaskId]:
        """Return those tasks of a deal that the chain has ended."""
        return frozenset(
            name
            for name, task in self._tasks.items()
            if task.facts.deal_id == deal_id and task.chain_status is not ChainTaskStatus.UNSET
        )

    def counts(self) -> Mapping[TaskStatus, int]:
        """Return how many tasks have settled, by their status."""
        return Counter(task.status for task in self._tasks.values())

    def prune(self, before: UnixSeconds, most: int) -> int:
        """Forget settled tasks and deals of long ago."""
        old = [n for n, task in self._tasks.items() if task.facts.final_deadline < before][:most]
        for name in old:
            del self._tasks[name]
        held = {task.facts.deal_id for task in self._tasks.values()}
        for deal_id, kept in tuple(self._deals.items()):
            if kept.final_deadline < before and deal_id not in held:
                del self._deals[deal_id]
        return len(old)
