"""What is told of a task beside its story: what went wrong with it, and who is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import HubEvent
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import replicates_needed
from poolhand.domain.trust import Weight
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.preflight import Preflight
from poolhand.scheduler.views import show_task
from poolhand.wire.pool_api import HiddenTask, TaskNews


class TaskTeller:
    """Shows tasks.

    Args:
        engine: Knows what the work on a task raised.
        deals: Of the tasks.
        preflight: Knows whether one of the workers that are there could do it.
        awaited: Why confidential tasks wait for their enclave.
        simulated: Whether enclaves are taken here that keep nothing secret.
    """

    def __init__(
        self,
        engine: Engine,
        deals: Deals,
        preflight: Preflight,
        awaited: Mapping[TaskId, str],
        *,
        simulated: bool,
    ) -> None:
        self._engine, self._deals, self._preflight = engine, deals, preflight
        self._awaited, self._simulated = awaited, simulated

    def whole(self, task: Task, events: Sequence[HubEvent] | None) -> TaskNews:
        """Show a task with its events on chain."""
        trouble, simulated = self._trouble(task), self._simulated
        obstacle = self.obstacle(task)
        return show_task(task, events, obstacle=obstacle, trouble=trouble, simulated=simulated)

    def in_list(self, task: Task) -> TaskNews | HiddenTask:
        """Show a task in a list; one that cannot be shown does not break it, and is worked on."""
        try:
            return show_task(task, trouble=self._trouble(task), simulated=self._simulated)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
            name = task.facts.task_id
            trouble = self._engine.boundary.take(fault, "show", task_id=str(name))
            return HiddenTask(task_id=name, trouble=trouble)

    def obstacle(self, task: Task) -> str | None:
        """Say why none of the workers that are there can go on with a task that needs one."""
        if why := self._awaited.get(task.facts.task_id):
            return why
        deal = self._deals.by_id.get(task.facts.deal_id)
        if deal is None or not replicates_needed(task, Weight(2)):
            return None
        return self._preflight.obstacle(deal, {attempt.worker for attempt in task.attempts})

    def _trouble(self, task: Task) -> str | None:
        """Tell what the work on a task raised and nobody expected; None where all is well."""
        return self._engine.troubles.get(task.facts.task_id)
