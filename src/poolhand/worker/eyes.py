"""The worker's eyes: what the chain says of the replicates it holds.

The scheduler's messages only tell *when* to look; so do hub events, and every ten seconds the
passing of time. What is seen becomes an event of the machine (``domain.replicate.news``).
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.errors import ChainUnreachable, IllegalTransition
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import Head
from poolhand.domain.replicate.machine import Refilled, Replicate
from poolhand.domain.replicate.news import news_of
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds, Wei
from poolhand.worker.bench import RETRY_SECONDS, Bench
from poolhand.worker.shell import ReplicateShell

PATROL: Final = Seconds(10)
"""Block time between two looks at everything that is held."""

log = structlog.get_logger()


class Eyes:
    """Looks at tasks on chain and feeds the shell."""

    def __init__(self, bench: Bench, shell: ReplicateShell) -> None:
        self._bench, self._shell = bench, shell
        self._dirty: set[TaskId] = set()
        self._wake = asyncio.Event()
        self._patrolled = UnixSeconds(0)
        self._parked_at: dict[TaskId, Wei] = {}

    def look(self, task_id: TaskId) -> None:
        """Look at a task soon; one that is not held is left alone."""
        if task_id in self._shell.replicates:
            self._dirty.add(task_id)
            self._wake.set()

    def look_at_all(self) -> None:
        """Look soon at everything that is not over."""
        for task_id in self._held():
            self.look(task_id)

    async def keep_looking(self) -> None:
        """Answer every ``look``, all that are asked for at once in one batch, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._dirty = self._dirty, set()
            try:
                await self._read(asked)
            except ChainUnreachable as fault:
                log.warning("chain_unreachable", cause=str(fault))
                self._dirty |= asked
                await self._bench.clock.sleep(RETRY_SECONDS)
                self._wake.set()

    async def follow_events(self, first: BlockNumber) -> None:
        """Look at a task whenever the hub tells of it, for ever."""
        events = self._bench.watcher.events(self._bench.pool, first)
        async with aclosing(events) as following:  # type: ignore[type-var]
            async for event in following:
                if event.task_id is not None:
                    self.look(event.task_id)

    async def follow_heads(self) -> None:
        """Patrol, and see whether an empty wallet was refilled, for ever."""
        async with aclosing(self._bench.watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                await self._patrol(head)

    async def _patrol(self, head: Head) -> None:
        if head.timestamp >= self._patrolled + PATROL:
            self._patrolled = head.timestamp
            self.look_at_all()
        try:
            await self._look_at_purse()
        except ChainUnreachable as fault:
            log.warning("chain_unreachable", cause=str(fault))

    async def _look_at_purse(self) -> None:
        """Wake replicates that wait for gas once there is more of it than when they stopped."""
        parked = [task_id for task_id, each in self._held().items() if each.parked is not None]
        if not parked:
            self._parked_at.clear()
            return
        worker = self._bench.worker
        balance = (await self._bench.hub.coin_balances([worker]))[worker]
        for task_id in parked:
            if balance > self._parked_at.setdefault(task_id, balance):
                del self._parked_at[task_id]
                log.info("wallet_refilled", task_id=str(task_id), wei=balance)
                self._shell.feed(task_id, Refilled(self._bench.clock.now()))

    def _held(self) -> dict[TaskId, Replicate]:
        held = self._shell.replicates.items()
        return {task_id: each for task_id, each in held if not each.is_over}

    async def _read(self, asked: set[TaskId]) -> None:
        held = self._held()
        wanted = {task_id: (self._bench.worker,) for task_id in asked if task_id in held}
        views = await self._bench.hub.tasks(wanted) if wanted else {}
        for task_id, view in views.items():
            replicate = self._shell.replicates.get(task_id)
            if replicate is None:
                continue
            news = news_of(view, replicate, self._bench.worker, self._bench.clock.now())
            if news is None:
                continue
            try:
                self._shell.feed(task_id, news)
            except IllegalTransition as fault:
                log.warning("news_refused", task_id=str(task_id), cause=str(fault))
