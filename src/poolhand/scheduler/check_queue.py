"""Checks under way of what workers claim to have stored; their outcomes go back to the engine.

Beside the sessions: a results service that does not answer keeps nobody from being heard.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from poolhand.domain.ids import TaskId
from poolhand.domain.task.machine import CheckResult, Doubted, Uploaded
from poolhand.domain.task.model import Stored, Task
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.result_check import ResultCheck


class CheckQueue:
    """Carries out ``CheckResult``; one that is under way is not begun a second time.

    Args:
        checker: Checks one claim.
        now: The chain's time.
    """

    def __init__(
        self, engine: Engine, checker: ResultCheck, now: Callable[[], UnixSeconds]
    ) -> None:
        self._engine, self._checker, self._now = engine, checker, now
        self._claims: asyncio.Queue[tuple[Task, Stored]] = asyncio.Queue()
        self._under_way: set[TaskId] = set()

    def begin(self, task: Task, effect: CheckResult) -> None:
        """Check a claim beside everything else."""
        if task.facts.task_id not in self._under_way:
            self._under_way.add(task.facts.task_id)
            self._claims.put_nowait((task, effect.claim))

    async def keep_checking(self) -> None:
        """Check whatever was begun, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._check(*await self._claims.get()))

    async def _check(self, task: Task, claim: Stored) -> None:
        task_id, stored = task.facts.task_id, None
        with self._engine.boundary.around("claim", task_id=str(task_id), worker=str(claim.worker)):
            stored = await self._checker.check(task, claim)
        self._under_way.discard(task_id)
        now = self._now()
        event = Doubted(now, claim.worker) if stored is None else Uploaded(now, stored)
        self._engine.feed(task_id, event)
