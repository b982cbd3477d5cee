"""Whether a task has a worker left that could still do it, by what its pool tells.

A pool gives a task once to a worker. So a task at which nobody works, and which every connected
worker has had, stands still until its final deadline: its buyer should know at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.status import FAILURES, FINAL, Status
from poolhand.domain.task.status import TaskStatus
from poolhand.transport.pool_client import PoolClient
from poolhand.wire.pool_api import ReplicateNews

if TYPE_CHECKING:
    from collections.abc import Sequence

    from poolhand.requester.watching import TaskProgress

LOOKS_PER_QUESTION: Final = 10
"""Looks between two questions to the pool who is connected."""
BESIDES: Final = 100
"""Workers that are asked for beside those that have had a task: until the next question it may be
given to others."""
_DONE: Final = FINAL | FAILURES | {Status.CONTRIBUTED, Status.WORKER_LOST}
"""Statuses of a replicate that brings its task no further contribution."""


@dataclass(slots=True)
class Prospects:
    """Judges tasks; asks the pool who is connected only where a task stands still."""

    _connected: frozenset[Address] | None = None
    _looks: int = 0

    async def judge(
        self, pool: PoolClient | None, tasks: Sequence[TaskProgress]
    ) -> tuple[TaskProgress, ...]:
        """Return the tasks, those marked for which nobody is left."""
        if pool is not None and any(map(stands_still, tasks)):
            await self._ask(pool, max(len(t.news.replicates) for t in tasks if t.news))
        return tuple(
            replace(task, nobody_left=is_hopeless(task, self._connected)) for task in tasks
        )

    async def _ask(self, pool: PoolClient, most_had: int) -> None:
        """Ask who is connected: for no more than it takes to know one that has not had a task."""
        self._looks += 1
        if self._looks % LOOKS_PER_QUESTION != 1:
            return
        try:
            self._connected = frozenset(w.worker for w in await pool.workers(most_had + BESIDES))
        except (Unavailable, Refused, PeerFault):
            self._connected = None


def is_hopeless(task: TaskProgress, connected: frozenset[Address] | None) -> bool:
    """Whether no worker is left for a task; ``connected`` are those connected, None if unknown."""
    if not stands_still(task) or task.news is None:
        return False
    if task.news.obstacle or task.news.status is TaskStatus.RUNNING_FAILED:
        return True
    return connected is not None and not connected - {each.worker for each in task.news.replicates}


def stands_still(task: TaskProgress) -> bool:
    """Whether a task lacks contributions and nobody is at it."""
    if task.news is None or task.outcome is not None:
        return False
    is_open = task.view.status in (ChainTaskStatus.UNSET, ChainTaskStatus.ACTIVE)
    return is_open and not any(map(_is_at_it, task.news.replicates))


def _is_at_it(each: ReplicateNews) -> bool:
    return each.live and each.status not in _DONE
