"""When settled tasks leave memory: once no re-organisation can take their end back."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from heapq import heapify, heappop, heappush

from poolhand.domain.ids import TaskId
from poolhand.domain.task.machine import is_settled
from poolhand.domain.task.model import Task
from poolhand.domain.units import BlockNumber
from poolhand.ports.chain import Watcher
from poolhand.scheduler.engine import Engine


class Retiring:
    """Has the engine's settled tasks made rows.

    Args:
        depth: Blocks under which an end may still be taken back.
        head: Of the chain.
        is_busy: Whether something still works on a task, a transaction of ours for example.
    """

    def __init__(
        self,
        engine: Engine,
        depth: int,
        head: Callable[[], BlockNumber],
        is_busy: Callable[[TaskId], bool],
    ) -> None:
        self._engine, self._depth, self._head, self._is_busy = engine, depth, head, is_busy
        self._due: list[tuple[BlockNumber, TaskId]] = []
        engine.changed.connect(self.changed)

    def recover(self) -> None:
        """After a restart: take note of what had settled."""
        settled = (task for task in self._engine.tasks.values() if is_settled(task))
        self._due = [(_block(task, BlockNumber(0)), task.facts.task_id) for task in settled]
        heapify(self._due)

    def changed(self, task_id: TaskId) -> None:
        """Take note of a task that has settled."""
        task = self._engine.tasks[task_id]
        if is_settled(task):
            heappush(self._due, (_block(task, self._head()), task_id))

    async def keep_watch(self, watcher: Watcher) -> None:
        """With every block, let go what is deep enough, for ever."""
        async with aclosing(watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                await self.passed(head.number)

    async def passed(self, head: BlockNumber) -> None:
        """Let go what is deep enough under a head; what is in use, at a later one."""
        busy: list[TaskId] = []
        while self._due and self._due[0][0] + self._depth <= head:
            _, task_id = heappop(self._due)
            await self._engine.pace.next()
            if self._is_busy(task_id):
                busy.append(task_id)
            elif task_id in self._engine.tasks and self._is_deep(task_id, head):
                self._engine.retire(task_id)
        for task_id in busy:
            heappush(self._due, (BlockNumber(head + 1 - self._depth), task_id))

    def _is_deep(self, task_id: TaskId, head: BlockNumber) -> bool:
        """Whether it is still settled, and not anew since it was noted."""
        task = self._engine.tasks[task_id]
        return is_settled(task) and _block(task, BlockNumber(0)) + self._depth <= head


def _block(task: Task, known: BlockNumber) -> BlockNumber:
    """Return under which block an end was seen; a dropped deal's is seen by the time alone."""
    return BlockNumber(max(known, task.view.block if task.view else known))
