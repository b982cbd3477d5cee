"""What is asked of all tasks again and again, kept as they change: nobody goes through all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.placement.room import COMPUTING
from poolhand.domain.ranking import Ranking
from poolhand.domain.replicate.events import Flow
from poolhand.domain.task.machine import is_settled
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import unattended_since
from poolhand.domain.task.status import TaskStatus

_LIVE = frozenset({ChainTaskStatus.ACTIVE, ChainTaskStatus.REVEALING})


class TaskIndex:
    """Counts and finds tasks.

    Attributes:
        statuses: How many tasks in memory have each status, those that are over included.
        owed: How many tasks on chain only the pool can end.
        busy: How many slots of workers replicates of open tasks fill.
        unattended: Tasks that wait for workers and have none, by the block time since when.
    """

    def __init__(self) -> None:
        self.statuses: Counter[TaskStatus] = Counter()
        self.owed = self.busy = 0
        self.unattended: Ranking[TaskId] = Ranking()
        self._open: dict[TaskId, None] = {}
        self._by_worker: dict[Address, dict[TaskId, None]] = {}

    @property
    def open(self) -> Collection[TaskId]:
        """Tasks whose story is not over."""
        return self._open.keys()

    def of(self, worker: Address) -> Collection[TaskId]:
        """Return the open tasks in which a worker has a replicate that is not over."""
        return self._by_worker.get(worker, {}).keys()

    def swap(self, before: Task | None, after: Task) -> None:
        """Note that a task has changed, or begun."""
        task_id = after.facts.task_id
        if before is not None:
            self.statuses[before.status] -= 1
            self.owed -= _is_owed(before)
            self.busy -= _at_work(before)
        self.statuses[after.status] += 1
        self.owed += _is_owed(after)
        self.busy += _at_work(after)
        if (since := unattended_since(after)) is None:
            self.unattended.drop(task_id)
        else:
            self.unattended.put(task_id, (since,))
        if is_settled(after):
            self._open.pop(task_id, None)
        else:
            self._open[task_id] = None
        for attempt in after.attempts:
            if attempt.is_over:
                self._release(task_id, attempt.worker)
            else:
                self._by_worker.setdefault(attempt.worker, {})[task_id] = None

    def leave(self, task: Task) -> None:
        """Note that a settled task is counted elsewhere from now on."""
        self.statuses[task.status] -= 1

    def _release(self, task_id: TaskId, worker: Address) -> None:
        held = self._by_worker.get(worker)
        if held is not None:
            held.pop(task_id, None)
            if not held:
                del self._by_worker[worker]


def _is_owed(task: Task) -> bool:
    """Whether a task is on chain and waits for a call that only the pool may make."""
    if is_settled(task):
        return False
    return task.chain_status in _LIVE and task.flow is Flow.STANDARD


def _at_work(task: Task) -> int:
    """Count the replicates that fill a slot of a worker: what is computed waits without one."""
    if is_settled(task):
        return 0
    return sum(each.live and each.status in COMPUTING for each in task.attempts)
