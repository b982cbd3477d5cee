"""The open tasks that nobody can go on with, for whoever waits for them to end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final

from poolhand.domain.task.model import Task
from poolhand.domain.task.stuck import stuck_state
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.scheduler.api.task_news import TaskTeller
from poolhand.scheduler.engine import Engine
from poolhand.wire.pool_drain import StuckTask

LOOKED_AT: Final = 100
"""Open tasks that are looked at when somebody asks; those that came first."""


class StuckTasks:
    """Looks at the oldest of the open tasks: those of a pool that drains become fewer.

    Args:
        engine: Has the tasks.
        teller: Says why none of the workers that are there can go on with a task.
        now: The chain's time.
    """

    def __init__(self, engine: Engine, teller: TaskTeller, now: Callable[[], UnixSeconds]) -> None:
        self._engine, self._teller, self._now = engine, teller, now

    @property
    def count(self) -> int:
        """How many tasks are open."""
        return len(self._engine.index.open)

    def found(self) -> tuple[StuckTask, ...]:
        """Return those among the oldest that are stuck."""
        oldest = islice(self._engine.index.open, LOOKED_AT)
        told = (self._tell(self._engine.tasks[name]) for name in oldest)
        return tuple(each for each in told if each is not None)

    def _tell(self, task: Task) -> StuckTask | None:
        state = stuck_state(task, self._teller.obstacle(task))
        if state is None:
            return None
        return StuckTask(
            task_id=task.facts.task_id,
            deal_id=task.facts.deal_id,
            why=state.why,
            rescue=state.rescue,
            advice=state.advice,
            until=state.until,
            remaining=Seconds(max(0, state.until - self._now())),
        )
