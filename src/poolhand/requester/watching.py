"""Following tasks to their end: the chain decides, the pool adds what its workers do.

A snapshot is read whenever a block arrives, and between blocks while the pool has news; so a lost
event, a lagging node or a silent pool delays a picture and falsifies nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.errors import ChainUnreachable, PeerFault, Refused, Unavailable
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import ChainTaskStatus, Head, TaskView
from poolhand.domain.replicate.status import FINAL
from poolhand.domain.units import UnixSeconds
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.requester.prospects import Prospects
from poolhand.transport.pool_client import PoolClient
from poolhand.wire.pool_api import TaskNews

PAUSE_BETWEEN_TASK_LOOKS: Final = 0.5
"""Seconds between two looks when no block arrives."""
LOOKS_AFTER_END: Final = 6
"""Looks after the last task ended that the pool gets to catch up with the chain."""
NEWS_AT_ONCE: Final = 12
"""Tasks that the pool is asked about in one look."""
MOST_FAILURES: Final = 120
"""Looks in a row that the chain may fail before the watch gives up."""


class Outcome(StrEnum):
    """How a task ended."""

    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"


_ENDS: Final = {
    ChainTaskStatus.COMPLETED: Outcome.COMPLETED,
    ChainTaskStatus.FAILED: Outcome.FAILED,
}

STATUS_ON_CHAIN: Final = {
    ChainTaskStatus.UNSET: "bought; the pool has not put it on chain yet",
    ChainTaskStatus.ACTIVE: "on chain; workers compute it and contribute",
    ChainTaskStatus.REVEALING: "the workers agree and reveal what they found",
}
"""What a task's status on chain means, where no pool tells more."""


@dataclass(frozen=True, slots=True)
class TaskProgress:
    """One task at one moment; ``news`` is None while the pool says nothing.

    ``deadline`` is None for a task that is not on chain yet and whose deal is not known;
    ``nobody_left`` tells that the pool has no worker that could still do it.
    """

    index: int
    view: TaskView
    news: TaskNews | None
    deadline: UnixSeconds | None
    nobody_left: bool = False

    @property
    def task_id(self) -> TaskId:
        """The task."""
        return self.view.task_id

    @property
    def outcome(self) -> Outcome | None:
        """How it ended, None while it may still succeed."""
        ended = _ENDS.get(self.view.status)
        if ended is None and self.deadline is not None and self.view.block_time >= self.deadline:
            return Outcome.TIMED_OUT
        return ended

    @property
    def status(self) -> str:
        """The pool's word while the task runs, the chain's once it ended."""
        if self.outcome is not None:
            return self.outcome
        return self.news.status if self.news else self.view.status.name

    @property
    def meaning(self) -> str | None:
        """What its status means while it may still succeed, as the pool or the chain tells."""
        if self.outcome is not None:
            return None
        if self.news is None:
            return STATUS_ON_CHAIN.get(self.view.status)
        return "no worker of this pool is left for it" if self.nobody_left else self.news.meaning

    @property
    def is_told(self) -> bool:
        """Whether the pool, if it speaks at all, has told the end of every replicate."""
        if self.news is None or self.outcome is Outcome.TIMED_OUT:
            return True
        over = all(replicate.status in FINAL for replicate in self.news.replicates)
        return over and str(self.news.status) == str(self.outcome)


@dataclass(frozen=True, slots=True)
class Progress:
    """All tasks at one moment."""

    tasks: tuple[TaskProgress, ...]

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return all(task.outcome is not None for task in self.tasks)

    @property
    def succeeded(self) -> bool:
        """Whether every task completed."""
        return all(task.outcome is Outcome.COMPLETED for task in self.tasks)


@dataclass(slots=True)
class Watch:
    """Follows tasks.

    Args:
        hub, watcher: The chain.
        clock: Paces the looks between blocks.
        pool: Asked for replicates; None for the chain alone.
    """

    hub: Hub
    watcher: Watcher
    clock: Clock
    pool: PoolClient | None = None
    _news: dict[TaskId, TaskNews] = field(default_factory=dict)
    _prospects: Prospects = field(default_factory=Prospects)

    async def follow_deal(self, deal: Deal) -> AsyncGenerator[Progress]:
        """Yield snapshots of a deal's tasks until each has ended or run out of time.

        Raises:
            ChainUnreachable: The chain has been silent for long.
        """
        following = self.follow(*await self._of_deal(deal))
        async with aclosing(following) as snapshots:
            async for progress in snapshots:
                yield progress

    async def look_deal(self, deal: Deal) -> Progress:
        """Return one snapshot of a deal's tasks."""
        return await self.look(*await self._of_deal(deal))

    async def _of_deal(self, deal: Deal) -> tuple[dict[TaskId, int], UnixSeconds]:
        category = (await self.hub.categories())[deal.category]
        tasks = {task_id: index for index, task_id in deal.tasks()}
        return tasks, category.final_deadline(deal.start_time)

    async def follow(
        self, tasks: Mapping[TaskId, int], deadline: UnixSeconds | None = None
    ) -> AsyncGenerator[Progress]:
        """Yield snapshots of tasks (id to index) until each has ended.

        Args:
            tasks: What to follow.
            deadline: From which a task only fails; None takes it from the chain once it is there.

        Raises:
            ChainUnreachable: The chain has been silent for long.
        """
        bell, failures, settled = _Bell(self.watcher, self.clock), 0, 0
        try:
            while settled < LOOKS_AFTER_END:
                try:
                    progress = await self.look(tasks, deadline)
                except ChainUnreachable:
                    failures += 1
                    if failures == MOST_FAILURES:
                        raise
                else:
                    failures = 0
                    yield progress
                    told = all(task.is_told for task in progress.tasks)
                    settled += (LOOKS_AFTER_END if told else 1) if progress.ended else 0
                if settled < LOOKS_AFTER_END:
                    await bell.ring()
        finally:
            await bell.close()

    async def look(
        self, tasks: Mapping[TaskId, int], deadline: UnixSeconds | None = None
    ) -> Progress:
        """Return one snapshot."""
        views = await self.hub.tasks(dict.fromkeys(tasks, ()))
        await self._ask(views)
        found = tuple(
            TaskProgress(
                index=index,
                view=views[task_id],
                news=self._news.get(task_id),
                deadline=deadline or views[task_id].final_deadline or None,
            )
            for task_id, index in tasks.items()
        )
        return Progress(await self._prospects.judge(self.pool, found))

    async def _ask(self, views: Mapping[TaskId, TaskView]) -> None:
        """Fetch news of tasks whose story is not told to the end."""
        if self.pool is None:
            return
        due = [task_id for task_id in views if not self._is_told(views[task_id])]
        await asyncio.gather(*(self._fetch(self.pool, task_id) for task_id in due[:NEWS_AT_ONCE]))

    def _is_told(self, view: TaskView) -> bool:
        news = self._news.get(view.task_id)
        return news is not None and TaskProgress(news.index, view, news, None).is_told

    async def _fetch(self, pool: PoolClient, task_id: TaskId) -> None:
        """Take what the pool says; a pool that is away or odd hides nothing but replicates."""
        try:
            news = await pool.task(task_id)
        except (Unavailable, Refused, PeerFault):
            return
        if news is not None:
            self._news[task_id] = news


@asynccontextmanager
async def listening(watcher: Watcher, clock: Clock) -> AsyncIterator[Callable[[], Awaitable[None]]]:
    """Give what waits for the next block, or for a pause without one."""
    bell = _Bell(watcher, clock)
    try:
        yield bell.ring
    finally:
        await bell.close()


class _Bell:
    """Rings at each new block, and after a pause without one."""

    def __init__(self, watcher: Watcher, clock: Clock) -> None:
        self._heads, self._clock = watcher.heads(), clock
        self._next: asyncio.Task[Head] | None = None

    async def ring(self) -> None:
        """Wait for a block or the pause."""
        if self._next is None:
            self._next = asyncio.ensure_future(_next(self._heads))
        pause = asyncio.ensure_future(self._clock.sleep(PAUSE_BETWEEN_TASK_LOOKS))
        try:
            done, _ = await asyncio.wait({self._next, pause}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            pause.cancel()
        if self._next in done:
            self._next.result()
            self._next = None

    async def close(self) -> None:
        """Stop listening."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait({self._next})
        if isinstance(self._heads, AsyncGenerator):
            await self._heads.aclose()


async def _next(heads: AsyncIterator[Head]) -> Head:
    return await anext(heads)
