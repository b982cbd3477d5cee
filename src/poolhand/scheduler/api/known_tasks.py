"""The tasks that a pool knows: those in memory, and those that are rows."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from poolhand.domain.deal import Deal
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

    async def lines(self, deal: Deal) -> Sequence[TaskLine]:
        """Return the tasks of a deal by their number, a line each."""
        lines = {line.task_id: line for line in await self._settled.lines(deal.deal_id)}
        for _, name in deal.tasks():
            if (task := self._engine.tasks.get(name)) is not None:
                lines[name] = TaskLine(name, task.facts.index, task.status)
        return sorted(lines.values(), key=lambda line: line.index)
