"""What the chain says of a task and of this worker's contribution to it, when a stage asks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.domain.replicate.machine import Replicate
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Hub, Watcher

MOST_HEADS_BEHIND: Final = 10
"""Heads after which a node no longer counts as late."""

log = structlog.get_logger()


class TaskViews:
    """Looks at tasks; waits while the chain does not answer.

    Args:
        worker: Whose contributions are read.
        hub: Read.
        watcher: Tells when to look again.
        retry: Waits while the chain does not answer.
    """

    def __init__(self, worker: Address, hub: Hub, watcher: Watcher, retry: ChainRetry) -> None:
        self.worker, self._hub, self._watcher, self._retry = worker, hub, watcher, retry

    async def now(self, task_id: TaskId) -> TaskView:
        """Return the chain's view of a task with this worker's contribution."""
        asked = {task_id: (self.worker,)}
        views = await self._retry.ask(lambda: self._hub.tasks(asked))
        return views[task_id]

    async def when(self, task_id: TaskId, met: Callable[[TaskView], bool]) -> TaskView:
        """Return a view that meets a condition, or the last one after ten more heads.

        A node may lag behind the one from which the scheduler heard the news.
        """
        view = await self.now(task_id)
        if met(view):
            return view
        seen = 0
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                view = await self.now(task_id)
                seen += 1
                if met(view) or seen >= MOST_HEADS_BEHIND:
                    break
        return view

    async def begun(self, replicate: Replicate, cause: str) -> TaskView:
        """Return a view of a task that is initialized, or the first one past its deadline.

        A re-organisation that takes the initialization back is outlasted.

        Args:
            replicate: Of the task.
            cause: Why it matters that the task is not; for the log.
        """
        task_id = replicate.offer.task_id
        told = False
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                view = await self.now(task_id)
                late = view.block_time >= replicate.deadline
                if view.status is not ChainTaskStatus.UNSET or late:
                    break
                if not told:
                    log.info("initialization_awaited", task_id=str(task_id), cause=cause)
                    told = True
        return view
