"""What apps printed lately, as their workers told it: bounded by tasks and by bytes."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Final, TypeAlias

from poolhand.domain.ids import Address, TaskId

MOST_TASKS_WITH_LOGS: Final = 1000
MOST_LOG_BYTES_KEPT: Final = 64 * 1024**2
"""Of memory, all texts together: a task with many replicates has many."""

ByWorker: TypeAlias = dict[Address, tuple[str, str]]
"""Standard output and standard error."""


class KeptLogs(Mapping[TaskId, Mapping[Address, tuple[str, str]]]):
    """By task and worker; the tasks of which something was printed first go first."""

    def __init__(self) -> None:
        self._tasks: OrderedDict[TaskId, ByWorker] = OrderedDict()
        self._bytes = 0

    def keep(self, worker: Address, task_id: TaskId, stdout: str, stderr: str) -> None:
        """Keep what an app printed on a worker, instead of what it had before."""
        by_worker = self._tasks.setdefault(task_id, {})
        self._bytes += _size(stdout, stderr) - _size(*by_worker.get(worker, ()))
        by_worker[worker] = stdout, stderr
        while len(self._tasks) > MOST_TASKS_WITH_LOGS or self._bytes > MOST_LOG_BYTES_KEPT:
            _, gone = self._tasks.popitem(last=False)
            self._bytes -= sum(_size(*texts) for texts in gone.values())

    def __getitem__(self, task_id: TaskId) -> Mapping[Address, tuple[str, str]]:
        return self._tasks[task_id]

    def __iter__(self) -> Iterator[TaskId]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


def _size(*texts: str) -> int:
    """Return what texts take of memory: Python keeps up to four bytes for each character."""
    return sum(map(sys.getsizeof, texts))
