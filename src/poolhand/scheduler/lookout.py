"""The scheduler's eyes: new deals, news of tasks, and the passing of block time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import EventKind, Head, HubEvent, TaskView
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
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.engine import Engine

SHALLOW: Final = 64
"""Blocks under which an end may still be taken back: the watcher's own window."""
MOST_FAILED: Final = 3
"""Looks in one batch that fail, one after another, before each task is asked for alone."""
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
        deals: Deals,
        patience: Patience,
    ) -> None:
        self._wall = engine.wall
        self._engine, self._hub, self._watcher = engine, hub, watcher
        self._pool, self._patience = workerpool, patience
        self._dirty: dict[TaskId, list[asyncio.Future[None]]] = {}
        self._outdated: set[TaskId] = set()
        self._wake = asyncio.Event()
        self.deals = deals
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
        await self.deals.recall(self.head.timestamp)
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
                with self._wall.around("event", kind=str(event.kind), tx=str(event.tx_hash)):
                    await self._notice(event)

    async def follow_heads(self) -> None:
        """Let block time pass in every open task, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                self.head = head
                again = await self.deals.find_again(), await self.deals.read_again()
                self.look((*self._outdated, *again[0], *again[1]))
                for task in self._engine.open_tasks():
                    self._engine.feed(task.facts.task_id, Ticked(head.timestamp))

    async def keep_looking(self) -> None:
        """Answer every ``look``, all that are asked for at once in one batch, for ever.

        A batch that fails again and again is taken apart, so that one task of which no endpoint
        can tell holds up no other.
        """
        failed = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._dirty = self._dirty, {}
            failed = await self._answer(asked, failed)

    async def _answer(self, asked: dict[TaskId, list[asyncio.Future[None]]], failed: int) -> int:
        """Read, and ask again for what could not be read; returns how often that was so."""
        left: dict[TaskId, list[asyncio.Future[None]]] = {}
        fault: ChainUnreachable | None = None
        alone = failed >= MOST_FAILED
        for batch in [{each: asked[each]} for each in asked] if alone else [asked]:
            try:
                await self._read(batch)
            except ChainUnreachable as unreachable:
                left, fault = left | batch, unreachable
        if fault is None:
            self._patience.answered()
            return 0
        for task_id, futures in left.items():
            self._dirty.setdefault(task_id, []).extend(futures)
        await self._patience.bear(fault)
        self._wake.set()
        return failed + 1

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
            self.look(self.deals.drop(deal_id, now))
            return
        self.look(await self.deals.receive(deal_id, event.block, now))
        self._engine.seen(min((event.block, *self.deals.unread_since())))

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
        """Look at tasks in one batch; one by one where that fails, to see whose fault it is."""
        try:
            views = await self._views(asked)
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - the wall lets through what is not a task's
            if len(asked) > 1:
                for task_id, futures in asked.items():
                    await self._read({task_id: futures})
                return
            views = {}
            self._engine.note(next(iter(asked)), fault, "look", passing=True)
        for view in views.values():
            self._see(view)
        _tell(asked.values())

    def _see(self, view: TaskView) -> None:
        task_id = view.task_id
        self._engine.well(task_id)
        known = self._engine.tasks[task_id].view
        if known is not None and view.block < known.block:
            self._outdated.add(task_id)  # a lagging node, or a chain that was turned back
        else:
            self._outdated.discard(task_id)
            self._engine.feed(task_id, Viewed(view.block_time, view))

    async def _views(self, asked: Iterable[TaskId]) -> Mapping[TaskId, TaskView]:
        tasks = [self._engine.tasks[task_id] for task_id in asked]
        workers = {task.facts.task_id: [a.worker for a in task.attempts] for task in tasks}
        return await self._hub.tasks(workers) if workers else {}

    async def _newest(self) -> Head:
        return await self._patience.ask(self._hub.head)


def _tell(waiting: Iterable[list[asyncio.Future[None]]]) -> None:
    """Tell whoever waits for a look that it was taken; a batch taken apart tells some twice."""
    for done in (each for futures in waiting for each in futures):
        if not done.done():
            done.set_result(None)
