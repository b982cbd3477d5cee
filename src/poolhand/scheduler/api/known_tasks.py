"""The tasks that a pool knows: those in memory, and those that are rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from poolhand.domain.deal import Deal
from poolhand.domain.hashes import task_id
from poolhand.domain.ids import TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.ports.archive import TaskLine
from poolhand.scheduler.api.errors import NotKnown
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.settled import SettledTasks


class KnownTasks:
    """Finds tasks wherever they are.

    Args:
        engine: Has those in memory.
        settled: Asks the archive for the others.
    """

    def __init__(self, engine: Engine, settled: SettledTasks) -> None:
        self._engine, self._settled = engine, settled

    async def find(self, text: str) -> Task:
        """Return a task; raises NotKnown."""
        name = TaskId.parse(text)
        found = self._engine.tasks.get(name) or await self._settled.task(name)
        if found is None:
            raise NotKnown(f"task {text} is not one of this pool's")
        return found

    async def page(self, status: TaskStatus | None, last: TaskId | None, most: int) -> list[Task]:
        """Return a page of tasks, from memory and then from the archive."""
        known, page = self._engine.tasks, list[Task]()
        if last is None or last in known:
            names = islice(self._engine.pages.newest(status, last), most)
            page, last = [known[name] for name in names], None
        if len(page) < most:
            page += await self._settled.tasks(status, last, most - len(page))
        return page

    async def lines(self, deal: Deal, first: int | None, most: int) -> Sequence[TaskLine]:
        """Return some tasks of a deal by their index, a line each.

        Args:
            deal: Whose.
            first: The index from which on; None: from the deal's first.
            most: How many at most.
        """
        page = deal.page(first, most)
        opened = open_lines(deal, page, self._engine.tasks.get)
        return in_order(await self._settled.lines(deal.deal_id, page.start, page.stop), opened)


def open_lines(
    deal: Deal, page: range, find: Callable[[TaskId], Task | None]
) -> Sequence[TaskLine]:
    """Return those of some tasks of a deal that are found in memory, a line each."""
    names = ((index, task_id(deal.deal_id, index)) for index in page)
    found = ((index, name, find(name)) for index, name in names)
    return [TaskLine(name, index, task.status) for index, name, task in found if task is not None]


def in_order(settled: Sequence[TaskLine], opened: Sequence[TaskLine]) -> Sequence[TaskLine]:
    """Put lines together; what was given up once and has begun anew is in both."""
    lines = {line.index: line for line in (*settled, *opened)}
    return [lines[index] for index in sorted(lines)]
