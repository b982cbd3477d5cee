"""Tasks in the order in which they came, page by page: nobody goes through all of them."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterator

from poolhand.domain.ids import TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus


class TaskPages:
    """Lists tasks that are in memory."""

    def __init__(self) -> None:
        self._arrivals: dict[TaskId, int] = {}
        self._names: dict[int, TaskId] = {}
        self._count = 0
        self._all: list[int] = []
        self._by_status: defaultdict[TaskStatus, list[int]] = defaultdict(list)

    def swap(self, before: Task | None, after: Task) -> None:
        """Take note of a task's change; None before: it is new."""
        name = after.facts.task_id
        if before is None:
            self._arrive(name)
        elif before.status is not after.status:
            _take(self._by_status[before.status], self._arrivals[name])
        if before is None or before.status is not after.status:
            insort(self._by_status[after.status], self._arrivals[name])

    def leave(self, task: Task) -> None:
        """Forget a task."""
        arrival = self._arrivals.pop(task.facts.task_id)
        del self._names[arrival]
        _take(self._all, arrival)
        _take(self._by_status[task.status], arrival)

    def newest(self, status: TaskStatus | None, before: TaskId | None) -> Iterator[TaskId]:
        """Yield tasks, the newest first: of a status, and older than another.

        Args:
            status: Of those alone; None: of all.
            before: One that is in memory; None: from the newest on.
        """
        found = self._all if status is None else self._by_status[status]
        end = len(found) if before is None else bisect_left(found, self._arrivals[before])
        for place in range(end - 1, -1, -1):
            yield self._names[found[place]]

    def _arrive(self, name: TaskId) -> None:
        self._count += 1
        self._arrivals[name], self._names[self._count] = self._count, name
        self._all.append(self._count)


def _take(numbers: list[int], number: int) -> None:
    del numbers[bisect_left(numbers, number)]
