"""What the hub's events tell of a task, read from the chain when somebody asks.

The chain is the truth, so nothing of it is journaled. What was read is kept until the chain has
news of the task; a log that a re-organisation took back is such news.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Final

import structlog

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import HubEvent
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import FINAL_TASK
from poolhand.domain.units import BlockNumber
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.chain import Hub

HISTORIES_KEPT: Final = 4096
"""Stories that are remembered."""
FORK_MARGIN: Final = 64
"""Blocks by which a re-organisation may have moved what we saw."""
LONGEST_HISTORY_READ: Final = 2.0
"""Seconds that who asks waits for the chain; a slow chain must not make the pool look slow."""

log = structlog.get_logger()


class TaskHistories:
    """Tells the events of tasks."""

    def __init__(self, hub: Hub, boundary: FaultBoundary | None = None) -> None:
        self._hub, self._boundary = hub, boundary or FaultBoundary()
        self._kept: OrderedDict[TaskId, tuple[HubEvent, ...]] = OrderedDict()
        self._reading: dict[TaskId, object] = {}

    def noticed(self, event: HubEvent) -> None:
        """Forget what was read of a task: the chain has news of it."""
        if event.task_id is not None:
            self._kept.pop(event.task_id, None)
            self._reading.pop(event.task_id, None)

    async def story(self, task: Task) -> tuple[HubEvent, ...] | None:
        """Return a task's events in order; None while the chain does not tell."""
        task_id, noticed_in = task.facts.task_id, task.facts.noticed_in
        if task_id in self._kept or noticed_in is None:
            return self._kept.get(task_id)
        token = self._reading[task_id] = object()
        try:
            async with asyncio.timeout(LONGEST_HISTORY_READ):
                first = BlockNumber(max(0, noticed_in - FORK_MARGIN))
                events = await self._hub.task_events(task_id, first, _last_block(task))
        except (ChainUnreachable, TimeoutError) as fault:
            log.debug("story_untold", task_id=str(task_id), cause=str(fault))
            self._reading.pop(task_id, None)
            return None
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
            self._boundary.take(fault, "story", task_id=str(task_id))
            self._reading.pop(task_id, None)
            return None
        if self._reading.pop(task_id, None) is token:
            self._keep(task_id, events)
        return events

    def _keep(self, task_id: TaskId, events: tuple[HubEvent, ...]) -> None:
        self._kept[task_id] = events
        while len(self._kept) > HISTORIES_KEPT:
            self._kept.popitem(last=False)


def _last_block(task: Task) -> BlockNumber | None:
    """Return where the story surely ends: the view that closed a task is its last."""
    if task.view is None or task.status not in FINAL_TASK:
        return None
    return BlockNumber(task.view.block + FORK_MARGIN)
