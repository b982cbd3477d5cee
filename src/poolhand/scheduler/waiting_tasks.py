"""How long the task has waited that nobody is at for longest: looked up, not looked for."""

from __future__ import annotations

from collections.abc import Callable

from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.scheduler.engine import Engine

NOBODY_AT_IT = (TaskStatus.RECEIVED, TaskStatus.INITIALIZED)
"""Tasks that wait for a worker."""


class WaitingTasks:
    """Says how long the task has waited that nobody is at for longest.

    Args:
        engine: Has the tasks, in the order in which they came.
        now: The chain's time.
    """

    def __init__(self, engine: Engine, now: Callable[[], UnixSeconds]) -> None:
        self._engine, self._now = engine, now

    def longest(self) -> Seconds | None:
        """Return it; None where somebody is at every task."""
        found = (self._engine.pages.oldest(status) for status in NOBODY_AT_IT)
        tasks = (self._engine.tasks[name] for name in found if name is not None)
        since = [task.history[-1][1] for task in tasks if task.history]
        return Seconds(max(0, self._now() - min(since))) if since else None
