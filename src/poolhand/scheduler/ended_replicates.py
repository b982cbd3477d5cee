"""Before an ended replicate is replaced the chain is asked: its worker may know more than we do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable

from poolhand.domain.ids import TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import FINAL_TASK


class EndedReplicates:
    """Remembers for how many ended replicates of a task the chain has been asked.

    Args:
        look: Asks the chain for tasks; done when they were seen.
    """

    def __init__(self, look: Callable[[Iterable[TaskId]], asyncio.Future[None]]) -> None:
        self._look = look
        self._ended: dict[TaskId, int] = {}
        self._asked: dict[TaskId, int] = {}

    def is_asked(self, task_id: TaskId) -> bool:
        """Whether the chain is being asked for a task."""
        return task_id in self._asked

    def changed(self, task: Task, seen: Callable[[TaskId], None]) -> None:
        """Ask for a task of which a further replicate has ended; ``seen`` is told of the answer."""
        task_id, ended = task.facts.task_id, sum(attempt.is_over for attempt in task.attempts)
        if task.status in FINAL_TASK:
            self._ended.pop(task_id, None)
        elif ended > self._ended.get(task_id, 0):
            self._ended[task_id] = ended
            self._asked[task_id] = self._asked.get(task_id, 0) + 1
            self._look([task_id]).add_done_callback(lambda _: self._answered(task_id, seen))

    def _answered(self, task_id: TaskId, seen: Callable[[TaskId], None]) -> None:
        self._asked[task_id] -= 1
        if not self._asked[task_id]:
            del self._asked[task_id]
        seen(task_id)
