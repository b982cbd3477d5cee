"""The scheduler's eyes: new deals, news of tasks, and the passing of block time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import EventKind, Head, HubEvent
from poolhand.domain.task.machine import (
    Mined,
    Ticked,
    Unmined,
    Viewed,
    is_settled,
)
from poolhand.domain.task.model import Task, Transaction
from poolhand.domain.units import BlockNumber
from poolhand.observe.patience import Patience
from poolhand.ports.chain import Hub, Watcher
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.purchases import Purchases

SHALLOW: Final = 64
"""Blocks under which an end may still be taken back: the watcher's own window."""
CALLS: Final = {
    EventKind.TASK_INITIALIZE: "initialize",
    EventKind.TASK_REOPEN: "reopen",
    EventKind.TASK_FINALIZE: "finalize",
    EventKind.TASK_CLAIMED: "claim",
}
"""Events by the call of a pool that makes them."""

log = structlog.get_logger()


class Lookout:
    """Feeds the engine with what the chain says.

    Attributes:
        is_recorded: Whether the receipt of a call on a task will be recorded by who sent it.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        watcher: Watcher,
        workerpool: Address,
        purchases: Purchases,
        patience: Patience,
    ) -> None:
        self._engine, self._hub, self._watcher = engine, hub, watcher
        self._pool, self._patience = workerpool, patience
        self._dirty: dict[TaskId, list[asyncio.Future[None]]] = {}
        self._outdated: set[TaskId] = set()
        self._wake = asyncio.Event()
        self.purchases = purchases
        self.head: Head | None = None
        self.noticed: Callable[[HubEvent], None] = lambda _event: None
        self.is_recorded: Callable[[TaskId, str], bool] = lambda _task, _kind: False

    @property
    def trouble(self) -> str:
        """Why the chain cannot be read at present, for a person; empty when it can."""
        return self._watcher.trouble

    async def prepare(self) -> None:
        """After a restart: read again the deals, and the tasks that may have changed."""
        self.head = await self._newest()
        await self.purchases.recall(self.head.timestamp)
        settled = [t for t in self._engine.tasks.values() if self._is_shallow(t)]
        names = [task.facts.task_id for task in (*self._engine.open_tasks(), *settled)]
        await self._patience.ask(lambda: self._read({task_id: [] for task_id in names}))

    def _is_shallow(self, task: Task) -> bool:
        """Whether a task ended so lately that a re-organisation may have taken its end back."""
        head, view = self.head, task.view
        return is_settled(task) and bool(head and view and view.block > head.number - SHALLOW)

    def look(self, ids: Iterable[TaskId]) -> asyncio.Future[None]:
        """Ask for a fresh view of tasks; the future is done when the engine has it."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = [task_id for task_id in ids if task_id in self._engine.tasks]
        for task_id in waiting:
            self._dirty.setdefault(task_id, [])
        if waiting:
            self._dirty[waiting[-1]].append(done)
            self._wake.set()
        else:
            done.set_result(None)
        return done

    async def follow_events(self, first: BlockNumber) -> None:
        """Follow deals and tasks for ever."""
        async with aclosing(self._watcher.events(self._pool, first)) as events:  # type: ignore[type-var]
            async for event in events:
                await self._notice(event)

    async def follow_heads(self) -> None:
        """Let block time pass in every open task, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                self.head = head
                self.look((*self._outdated, *await self.purchases.find_again()))
                for task in self._engine.open_tasks():
                    self._engine.feed(task.facts.task_id, Ticked(head.timestamp))

    async def keep_looking(self) -> None:
        """Answer every ``look``, all that are asked for at once in one batch, for ever."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._dirty = self._dirty, {}
            try:
                await self._read(asked)
            except ChainUnreachable as fault:
                for task_id, futures in asked.items():
                    self._dirty.setdefault(task_id, []).extend(futures)
                await self._patience.bear(fault)
                self._wake.set()
            else:
                self._patience.answered()

    async def _notice(self, event: HubEvent) -> None:
        self.noticed(event)
        if event.kind is EventKind.SCHEDULER_NOTICE:
            if event.deal_id is not None:
                await self._notice_deal(event, event.deal_id)
        elif event.task_id in self._engine.tasks:
            self._record(self._engine.tasks[event.task_id], event)
            self.look([event.task_id])

    async def _notice_deal(self, event: HubEvent, deal_id: DealId) -> None:
        now = (self.head or await self._newest()).timestamp
        if event.removed:
            self.look(self.purchases.drop(deal_id, now))
            return
        await self.look(await self.purchases.receive(deal_id, event.block, now))
        self._engine.seen(event.block)

    def _record(self, task: Task, event: HubEvent) -> None:
        """Write down which transaction moved a task, if nobody else will, or no longer does."""
        kind, task_id = CALLS.get(event.kind), task.facts.task_id
        if kind is None:
            return
        if event.removed:
            self._engine.feed(task_id, Unmined(task.now, event.tx_hash))
        elif not self.is_recorded(task_id, kind):
            mined = Transaction(kind, event.tx_hash, event.block)
            self._engine.feed(task_id, Mined(task.now, mined))

    async def _read(self, asked: dict[TaskId, list[asyncio.Future[None]]]) -> None:
        tasks = [self._engine.tasks[task_id] for task_id in asked]
        workers = {task.facts.task_id: [a.worker for a in task.attempts] for task in tasks}
        views = await self._hub.tasks(workers) if workers else {}
        for task_id, view in views.items():
            known = self._engine.tasks[task_id].view
            if known is not None and view.block < known.block:
                self._outdated.add(task_id)  # a lagging node, or a chain that was turned back
            else:
                self._outdated.discard(task_id)
                self._engine.feed(task_id, Viewed(view.block_time, view))
        for futures in asked.values():
            for done in futures:
                done.set_result(None)

    async def _newest(self) -> Head:
        return await self._patience.ask(self._hub.head)
