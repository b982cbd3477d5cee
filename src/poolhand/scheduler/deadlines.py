"""Lets block time pass in a task when that may change something, and not before."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from poolhand.domain.ids import TaskId
from poolhand.domain.placement.reliance import next_doubt
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.ranking import Ranking
from poolhand.domain.signal import Signal
from poolhand.domain.task.deadlines import next_wake
from poolhand.domain.task.machine import Ticked
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.plan_due import PlanDue

UNREAD_TASK_WAKES_AFTER: Final = 60
"""Seconds after which a task is woken that could not be looked at: nothing else may come of it."""


class Deadlines:
    """One heap of the moments at which open tasks have to be woken; made anew at a start.

    Args:
        rules: By which workers are counted on.
        due: Told that a plan is due whenever time has passed.
        is_sure: Whether who has not been heard has been silent: until then time stands still.

    Attributes:
        woken: Tells of each task in which time has passed.
    """

    def __init__(
        self,
        engine: Engine,
        rules: PlacementRules,
        due: PlanDue,
        is_sure: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine, self._rules, self._due, self._is_sure = engine, rules, due, is_sure
        self.woken: Signal[[TaskId]] = Signal()
        self._moments: Ranking[TaskId] = Ranking()
        self._now = UnixSeconds(0)
        engine.changed.connect(self.changed)
        engine.troubled.connect(self.changed)
        engine.left.connect(lambda task: self.changed(task.facts.task_id))

    def __len__(self) -> int:
        return len(self._moments)

    def recover(self) -> None:
        """After a start: find the moments of all that is open."""
        for task in self._engine.open_tasks():
            self.changed(task.facts.task_id)

    def changed(self, task_id: TaskId) -> None:
        """Find the next moment of a task that has changed; one that has left has none."""
        task = self._engine.tasks.get(task_id)
        if task is None:
            self._moments.drop(task_id)
            return
        wake = next_wake(task)
        doubt = None if wake is None else next_doubt(task, self._rules)
        known = [moment for moment in (wake, doubt) if moment is not None]
        if task_id in self._engine.passing:
            known.append(UnixSeconds(self._now + UNREAD_TASK_WAKES_AFTER))
        if known:
            self._moments.put(task_id, (min(known),))
        else:
            self._moments.drop(task_id)

    async def pass_time(self, now: UnixSeconds) -> None:
        """Wake what is due; a task that cannot be woken is tried again with the next block.

        Nothing is woken while the pool may itself be the one that is late.
        """
        self._now = now
        if not self._is_sure():
            return
        for task_id in list(self._moments.due((now,))):
            await self._engine.pace.next()
            self._engine.feed(task_id, Ticked(now))
            self.changed(task_id)
            self.woken(task_id)
        self._due.wake()
