"""Looks at tasks: whoever asks is told once the engine has a view as new as the asking.

What is asked for at once is read together, some at a time, so that a look at ten thousand tasks
holds up neither the loop nor a look at one.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import TaskView
from poolhand.domain.partial import Partial
from poolhand.domain.task.machine import Viewed
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Hub
from poolhand.scheduler.engine import Engine

TASKS_READ_TOGETHER: Final = 100
"""Tasks read together: two batches of requests where each has one worker."""
MOST_READS_FAILED: Final = 3
"""Reads that fail, one after another, before each task is read alone."""


@dataclass(slots=True, eq=False)
class _Look:
    """One asking: how many of its tasks are still to be read, and who waits for them."""

    left: int
    done: asyncio.Future[None]

    def seen(self) -> None:
        self.left -= 1
        if not self.left and not self.done.done():
            self.done.set_result(None)


class Looks:
    """Reads tasks from the chain into the engine.

    Attributes:
        outdated: Tasks of which a node told less than we knew, or nothing: to be looked at again.
    """

    def __init__(self, engine: Engine, hub: Hub, retry: ChainRetry) -> None:
        self._engine, self._hub, self._retry = engine, hub, retry
        # ordered: in a plain dict the first is looked for behind all that were taken before it
        self._few: OrderedDict[TaskId, None] = OrderedDict()
        self._many: OrderedDict[TaskId, None] = OrderedDict()
        self._waiting: dict[TaskId, list[_Look]] = {}
        self._wake = asyncio.Event()
        self.outdated: set[TaskId] = set()

    def look(self, ids: Iterable[TaskId]) -> asyncio.Future[None]:
        """Ask for a fresh view of tasks; the future is done when the engine has it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asked = dict.fromkeys(task_id for task_id in ids if task_id in self._engine.tasks)
        if not asked:
            done.set_result(None)
            return done
        look = _Look(len(asked), done)
        queue = self._few if len(asked) <= TASKS_READ_TOGETHER else self._many
        for task_id in asked:
            self._waiting.setdefault(task_id, []).append(look)
        queue.update(asked)
        self._wake.set()
        return done

    def ask(self, ids: Iterable[TaskId]) -> None:
        """Ask for a fresh view of tasks; nobody waits for it."""
        self.look(ids)

    def woken(self, task_id: TaskId) -> None:
        """Read a task in which time has passed, if it could not be read."""
        if task_id in self._engine.passing:
            self.look([task_id])

    def look_again(self) -> None:
        """Read what is outdated once more; whoever waits for that goes on waiting.

        What has settled for good meanwhile is awaited no longer.
        """
        known = dict.fromkeys(name for name in self.outdated if name in self._engine.tasks)
        for task_id in self.outdated - known.keys():
            self.outdated.discard(task_id)
            for look in self._waiting.pop(task_id, ()):
                look.seen()
        self._few.update(known)
        if known:
            self._wake.set()

    async def all(self, ids: Iterable[TaskId]) -> None:
        """Read tasks now, as long as it takes; before ``keep_looking``."""
        names = list(dict.fromkeys(ids))
        for first in range(0, len(names), TASKS_READ_TOGETHER):
            batch = names[first : first + TASKS_READ_TOGETHER]
            await self._retry.ask(lambda batch=batch: self._read(batch))  # type: ignore[misc]

    async def keep_looking(self) -> None:
        """Answer every ``look``, for ever: what few ask for first.

        What fails again and again is taken apart, so that one task of which no endpoint can tell
        holds up no other.
        """
        failed = 0
        while True:
            await self._wake.wait()
            batch = self._next()
            if not batch:
                self._wake.clear()
                continue
            failed = await self._answer(batch, failed)
            await asyncio.sleep(0)  # a turn for others, however soon the chain answers

    def _next(self) -> list[TaskId]:
        batch: list[TaskId] = []
        for queue in (self._few, self._many):
            while queue and len(batch) < TASKS_READ_TOGETHER:
                batch.append(queue.popitem(last=False)[0])
        return list(dict.fromkeys(batch))

    async def _answer(self, batch: Sequence[TaskId], failed: int) -> int:
        """Read, and ask again for what could not be read; returns how often that was so."""
        waiting = {task_id: self._waiting.pop(task_id, []) for task_id in batch}
        left: list[TaskId] = []
        fault: ChainUnreachable | None = None
        missing: set[TaskId] = set()
        for part in [[each] for each in batch] if failed >= MOST_READS_FAILED else [batch]:
            try:
                missing |= await self._read(part)
            except ChainUnreachable as unreachable:
                left, fault = [*left, *part], unreachable
        for task_id in missing:  # it is outdated, so it is asked for again with the next block
            self._waiting[task_id] = waiting[task_id] + self._waiting.get(task_id, [])
        for task_id in set(batch) - set(left) - missing:
            for look in waiting[task_id]:
                look.seen()
        if fault is None:
            self._retry.answered()
            return 0
        for task_id in left:
            self._waiting[task_id] = waiting[task_id] + self._waiting.get(task_id, [])
        self._few.update(dict.fromkeys(left))
        await self._retry.bear(fault)
        return failed + 1

    async def _read(self, asked: Sequence[TaskId]) -> set[TaskId]:
        """Read tasks in one batch; one by one where that fails, to see whose fault it is.

        Returns:
            Those of which no endpoint could tell, though of others one could.
        """
        try:
            views = await self._views(asked)
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
            if len(asked) > 1:
                parts = [await self._read([task_id]) for task_id in asked]
                return set[TaskId]().union(*parts)
            self._engine.note(asked[0], fault, "look", passing=True)
            return set()
        self.outdated.update(task_id for task_id in asked if task_id not in views.found)
        for view in views.found.values():
            await self._engine.pace.next()
            self._see(view)
        return set(views.failed)

    def _see(self, view: TaskView) -> None:
        task_id = view.task_id
        self._engine.well(task_id)
        task = self._engine.tasks.get(task_id)
        if task is None:  # it has settled for good meanwhile
            return
        known = task.view
        if known is not None and view.block < known.block:
            self.outdated.add(task_id)  # a lagging node, or a chain that was turned back
        else:
            self.outdated.discard(task_id)
            self._engine.feed(task_id, Viewed(view.block_time, view))

    async def _views(self, asked: Sequence[TaskId]) -> Partial[TaskId, TaskView]:
        tasks = [self._engine.tasks[task_id] for task_id in asked if task_id in self._engine.tasks]
        workers = {task.facts.task_id: [a.worker for a in task.attempts] for task in tasks}
        return await self._hub.tasks(workers) if workers else Partial({})
