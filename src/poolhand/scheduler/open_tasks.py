"""How many tasks each requester has open: a counter, so that nobody has to go through all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import FINAL_TASK
from poolhand.scheduler.engine import Engine


class OpenTasks:
    """Counts as tasks begin and end.

    Args:
        engine: Has the tasks.
        deals: Of the tasks.
    """

    def __init__(self, engine: Engine, deals: Mapping[DealId, Deal]) -> None:
        self._engine, self._deals = engine, deals
        self._owners: dict[TaskId, Address] = {}
        self._counts: Counter[Address] = Counter()
        engine.changed.connect(self.changed)

    def recover(self) -> None:
        """Count what is open after a restart."""
        for task in self._engine.open_tasks():
            self._note(task)

    def changed(self, task_id: TaskId) -> None:
        """Count a task that has begun, or no longer one that has ended."""
        self._note(self._engine.tasks[task_id])

    def of(self, requester: Address) -> int:
        """Return how many tasks of a requester are open."""
        return self._counts[requester]

    def _note(self, task: Task) -> None:
        task_id, deal = task.facts.task_id, self._deals.get(task.facts.deal_id)
        if task.status in FINAL_TASK:
            owner = self._owners.pop(task_id, None)
            if owner is not None:
                self._counts[owner] -= 1
                if not self._counts[owner]:
                    del self._counts[owner]
        elif deal is not None and task_id not in self._owners:
            self._owners[task_id] = deal.requester
            self._counts[deal.requester] += 1
