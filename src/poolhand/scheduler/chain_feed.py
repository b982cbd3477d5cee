"""What the chain says, brought to the engine: new deals, news of tasks, block time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Final

import structlog

from poolhand.domain.ids import Address, DealId, TaskId, TxHash
from poolhand.domain.onchain import EventKind, Head, HubEvent
from poolhand.domain.task.machine import (
    Mined,
    Unmined,
    is_settled,
)
from poolhand.domain.task.model import Task, Transaction
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Hub, Watcher
from poolhand.scheduler.chain_time import ChainTime
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.looks import Looks

SHALLOW: Final = 64
"""Blocks under which an end may still be taken back: the watcher's own window."""
REWIND: Final = 12
"""Blocks before the newest deal seen that are read again at a start."""
CALL_OF_EVENT: Final = {
    EventKind.TASK_INITIALIZE: "initialize",
    EventKind.TASK_REOPEN: "reopen",
    EventKind.TASK_FINALIZE: "finalize",
    EventKind.TASK_CLAIMED: "claim",
}
"""Events by the call of a pool that makes them."""
SETTLED_AT_ONCE: Final = "contributeAndFinalize"
"""The call of a worker whose one transaction brings the consensus and ends the task."""

log = structlog.get_logger()


class ChainFeed:
    """Feeds the engine with what the chain says.

    Args:
        time: Told of each new block.
        noticed: Told of each event.
        contributed: Told of each contribution to a task that is known.
        is_recorded: Whether the receipt of a call on a task will be recorded by who sent it.
        passed: Lets block time pass.
    """

    def __init__(
        self,
        engine: Engine,
        hub: Hub,
        watcher: Watcher,
        workerpool: Address,
        deals: Deals,
        looks: Looks,
        time: ChainTime,
        retry: ChainRetry,
        *,
        noticed: Callable[[HubEvent], None],
        contributed: Callable[[TaskId, Address], None],
        is_recorded: Callable[[TaskId, str], bool],
        passed: Callable[[UnixSeconds], Awaitable[None]],
    ) -> None:
        self._boundary = engine.boundary
        self._engine, self._hub, self._watcher = engine, hub, watcher
        self._pool, self._retry = workerpool, retry
        self.looks, self.look, self.deals, self._time = looks, looks.look, deals, time
        self._noticed, self._is_recorded, self._passed = noticed, is_recorded, passed
        self._agreed: TxHash | None = None  # the transaction of the last consensus
        self._contributed = contributed

    @property
    def head(self) -> Head | None:
        """The newest block; None before one was seen."""
        return self._time.head

    @property
    def trouble(self) -> str:
        """Why the chain cannot be read at present, for a person; empty when it can."""
        return self._watcher.trouble

    async def prepare(self, start: BlockNumber | None) -> None:
        """Before workers are let in: read again the deals, and the tasks that may have changed.

        What was bought meanwhile is known by then, too: workers may be at it, where the database is
        a copy from before, or new.

        Args:
            start: As of ``follow_events``.
        """
        self._time.seen(await self._newest())
        await self.deals.recall(self._time.now())
        if start is not None or self._engine.cursor is not None:
            await self._catch_up(self._first_block(start))
        settled = [t for t in self._engine.tasks.values() if self._is_shallow(t)]
        names = [task.facts.task_id for task in (*self._engine.open_tasks(), *settled)]
        await self.looks.all(names)

    async def _catch_up(self, first: BlockNumber) -> None:
        """Read the deals of blocks that are there; ``follow_events`` tells of them again."""
        last = self._time.block()
        asked = partial(self._hub.deals_of, self._pool, first, last)
        told = await self._retry.ask(asked) if first <= last else ()
        blocks = {each.deal_id: each.block for each in told if each.deal_id is not None}
        await self.deals.catch_up(blocks, self._time.now())

    def _is_shallow(self, task: Task) -> bool:
        """Whether a task ended so lately that a re-organisation may have taken its end back."""
        head, view = self.head, task.view
        return is_settled(task) and bool(head and view and view.block > head.number - SHALLOW)

    async def follow_events(self, start: BlockNumber | None) -> None:
        """Follow deals and tasks for ever.

        Args:
            start: Where the owner has deals looked for from; None: a new pool's, from now on.
        """
        first = self._first_block(start)
        async with aclosing(self._watcher.events(self._pool, first)) as events:  # type: ignore[type-var]
            async for event in events:
                await self._engine.pace.next()
                with self._boundary.around("event", kind=str(event.kind), tx=str(event.tx_hash)):
                    await self._notice(event)

    def _first_block(self, start: BlockNumber | None) -> BlockNumber:
        """Return where to look for deals: where we stopped, else where the owner says, else now.

        An owner who names an earlier block than where we ever looked from has us go back there
        once. A re-organisation may have moved a deal from above to below where we stopped: what is
        known already is looked at again rather than one overlooked for good.
        """
        engine = self._engine
        if engine.cursor is None:
            engine.look_from(self._time.block() if start is None else start)
            return engine.cursor or BlockNumber(0)
        if start is not None and engine.first is not None and start < engine.first:
            log.info("deals_looked_for_again", first=start, before=engine.first)
            engine.look_from(start)
        return BlockNumber(max(engine.cursor - REWIND, 0))

    async def follow_heads(self) -> None:
        """Let block time pass, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                self._time.seen(head)
                again = await self.deals.find_again(), await self.deals.read_again()
                self.looks.look_again()
                self.look((*again[0], *again[1]))
                await self._passed(head.timestamp)

    async def _notice(self, event: HubEvent) -> None:
        self._noticed(event)
        if event.kind is EventKind.TASK_CONSENSUS:
            self._agreed = event.tx_hash
        if event.kind is EventKind.SCHEDULER_NOTICE:
            if event.deal_id is not None:
                await self._notice_deal(event, event.deal_id)
        elif event.task_id in self._engine.tasks:
            self._record(self._engine.tasks[event.task_id], event)
            if event.kind is EventKind.TASK_CONTRIBUTE and event.worker and not event.removed:
                self._contributed(event.task_id, event.worker)
            self.look([event.task_id])

    async def _notice_deal(self, event: HubEvent, deal_id: DealId) -> None:
        now = (self.head or await self._newest()).timestamp
        if event.removed:
            self.look(await self.deals.drop(deal_id, now))
            return
        self.look(await self.deals.receive(deal_id, event.block, now))
        first = self.deals.unread_since()
        self._engine.seen(event.block if first is None else min(event.block, first))

    def _record(self, task: Task, event: HubEvent) -> None:
        """Write down which transaction moved a task, if nobody else will, or no longer does."""
        kind, task_id = CALL_OF_EVENT.get(event.kind), task.facts.task_id
        if kind is None:
            return
        if event.removed:
            self._engine.feed(task_id, Unmined(task.now, event.tx_hash))
        elif not self._is_recorded(task_id, kind):
            mined = Transaction(self._call_of(event, kind), event.tx_hash, event.block)
            self._engine.feed(task_id, Mined(task.now, mined))

    def _call_of(self, event: HubEvent, kind: str) -> str:
        """Return which call ended a task: a transaction that also brought consensus is a worker's.

        The events of one transaction follow one another.
        """
        is_workers = event.kind is EventKind.TASK_FINALIZE and event.tx_hash == self._agreed
        return SETTLED_AT_ONCE if is_workers else kind

    async def _newest(self) -> Head:
        return await self._retry.ask(self._hub.head)
