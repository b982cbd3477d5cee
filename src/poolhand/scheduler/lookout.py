"""The scheduler's eyes: new deals, news of tasks, and the passing of block time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from functools import partial
from typing import Final, TypeVar

import structlog

from poolhand.domain.category import Category
from poolhand.domain.deal import Deal
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import EventKind, Head, HubEvent
from poolhand.domain.replicate.machine import Flow
from poolhand.domain.task.machine import (
    Mined,
    Received,
    Ticked,
    Unmined,
    Viewed,
    is_settled,
)
from poolhand.domain.task.model import Task, TaskFacts, Transaction
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber
from poolhand.observe.complaint import Complaint
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.scheduler.engine import Engine

T = TypeVar("T")
PAUSE: Final = 1.0
"""Seconds between two tries to reach a chain that does not answer."""
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

    Args:
        outage: Told when the chain is out of reach.
        quick_finish: Whether trust-1 tasks use ``contributeAndFinalize``.

    Attributes:
        is_recorded: Whether the receipt of a call on a task will be recorded by who sent it.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        watcher: Watcher,
        workerpool: Address,
        clock: Clock,
        outage: Complaint,
        *,
        quick_finish: bool = True,
    ) -> None:
        self._engine, self._hub, self._watcher = engine, hub, watcher
        self._pool, self._clock, self._quick = workerpool, clock, quick_finish
        self._outage = outage
        self._dirty: dict[TaskId, list[asyncio.Future[None]]] = {}
        self._outdated: set[TaskId] = set()
        self._wake = asyncio.Event()
        self._categories: dict[int, Category] = {}
        self.deals: dict[DealId, Deal] = {}
        self.head: Head | None = None
        self.noticed: Callable[[HubEvent], None] = lambda _event: None
        self.is_recorded: Callable[[TaskId, str], bool] = lambda _task, _kind: False

    async def prepare(self) -> None:
        """After a restart: read again the deals, and the tasks that may have changed."""
        self.head = await self._newest()
        for deal_id in {task.facts.deal_id for task in self._engine.tasks.values()}:
            deal = await self._patiently(partial(self._hub.deal, deal_id))
            if deal is not None:
                self.deals[deal_id] = deal
        settled = [t for t in self._engine.tasks.values() if self._is_shallow(t)]
        names = [task.facts.task_id for task in (*self._engine.open_tasks(), *settled)]
        await self._patiently(lambda: self._read({task_id: [] for task_id in names}))

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
                self.look(self._outdated)
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
                self._outage.tell(fault)
                for task_id, futures in asked.items():
                    self._dirty.setdefault(task_id, []).extend(futures)
                await self._clock.sleep(PAUSE)
                self._wake.set()
            else:
                self._outage.over()

    async def _notice(self, event: HubEvent) -> None:
        self.noticed(event)
        if event.kind is EventKind.SCHEDULER_NOTICE:
            if not event.removed and event.deal_id is not None:
                await self._receive(event.deal_id, event.block)
                self._engine.seen(event.block)
        elif event.task_id in self._engine.tasks:
            self._record(self._engine.tasks[event.task_id], event)
            self.look([event.task_id])

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

    async def _receive(self, deal_id: DealId, block: BlockNumber) -> None:
        """Begin the tasks of a deal."""
        deal = await self._patiently_deal(deal_id)
        if deal is None or deal.workerpool.address != self._pool or self._has_whole(deal):
            return
        category = await self._category(deal.category)
        head = self.head or await self._newest()
        late = head.timestamp >= category.contribution_deadline(deal.start_time)
        if late or deal.tag.needs_tee:
            log.warning("deal_skipped", deal_id=str(deal_id), late=late, tee=deal.tag.needs_tee)
            return
        self.deals[deal_id] = deal
        log.info("deal_received", deal_id=str(deal_id), tasks=deal.bot_size, trust=deal.trust)
        quick = self._quick and deal.trust <= Trust(1)
        flow = Flow.CONTRIBUTE_AND_FINALIZE if quick else Flow.STANDARD
        ids = []
        for index, task_id in deal.tasks():
            facts = TaskFacts(
                task_id,
                deal_id,
                index,
                deal.trust,
                flow,
                deal.tag,
                category.contribution_deadline(deal.start_time),
                category.final_deadline(deal.start_time),
                block,
            )
            self._engine.receive(Received(max(head.timestamp, deal.start_time), facts))
            ids.append(task_id)
        await self.look(ids)

    def _has_whole(self, deal: Deal) -> bool:
        """Whether every task of a deal is known; a crash may have come between two of them."""
        return all(task_id in self._engine.tasks for _, task_id in deal.tasks())

    async def _category(self, index: int) -> Category:
        if index not in self._categories:
            self._categories.update(await self._patiently(self._hub.categories))
        return self._categories[index]

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

    async def _patiently_deal(self, deal_id: DealId) -> Deal | None:
        """Read a deal; a node that lags behind the event is given a few more heads."""
        for _ in range(10):
            deal = await self._patiently(lambda: self._hub.deal(deal_id))
            if deal is not None:
                return deal
            await self._clock.sleep(PAUSE)
        log.warning("deal_not_found", deal_id=str(deal_id))
        return None

    async def _newest(self) -> Head:
        return await self._patiently(self._hub.head)

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the chain until it answers."""
        while True:
            try:
                answer = await ask()
            except ChainUnreachable as fault:
                self._outage.tell(fault)
                await self._clock.sleep(PAUSE)
            else:
                self._outage.over()
                return answer
