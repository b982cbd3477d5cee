"""What the chain says of the replicates that a worker holds.

The scheduler's messages only tell *when* to look; so do hub events and, every ten seconds, new
blocks (``worker.head_watch``). What is seen becomes an event of the machine
(``domain.replicate.news``).
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.errors import ChainUnreachable, IllegalTransition
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.onchain import ContributionStatus, EventKind, TaskView
from poolhand.domain.partial import Partial
from poolhand.domain.replicate.machine import Ended, Flow, Replicate, Settled
from poolhand.domain.replicate.news import BLOCKS_THAT_SETTLE, DOUBTS, news_of
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.horizon import Horizon
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.stakes import ReplicateStake, stake_of

TASK_ENDS: Final = (EventKind.TASK_FINALIZE, EventKind.TASK_CLAIMED)
PAUSE_BETWEEN_CHAIN_LOOKS: Final = 2.0
"""Seconds between two tries to reach a chain that does not answer."""
MOST_LOOKS_FAILED: Final = 3
"""Looks in one batch that fail, one after another, before each task is looked at alone."""
MOST_IN_VAIN: Final = 5
"""Looks at a task that fail by no fault of the chain's endpoints, one after another; then it is
given up, if nothing is staked."""

log = structlog.get_logger()


class ChainWatch:
    """Looks at tasks on chain and feeds the shell.

    Args:
        worker: Whose contributions are looked at.
        hub: Read.
        shell: Fed with what is seen.
        horizon: Told of the blocks that are seen.
        clock: For pauses while the chain does not answer.
        boundary: Takes what a task raises.
        outage: Told when the chain is out of reach.
        claim_grace: How long the pool may claim a task before we do; None: for ever.
    """

    def __init__(
        self,
        worker: Address,
        hub: Hub,
        shell: ReplicateShell,
        horizon: Horizon,
        clock: Clock,
        boundary: FaultBoundary,
        outage: OutageLog,
        claim_grace: Seconds | None,
    ) -> None:
        self._worker, self._hub, self._shell, self._horizon = worker, hub, shell, horizon
        self._clock, self._boundary, self._outage = clock, boundary, outage
        self._grace = claim_grace
        self._stakes: dict[TaskId, tuple[TaskView, NanoRlc | None]] = {}
        self._dirty: set[TaskId] = set()
        self._wake = asyncio.Event()
        self._in_vain: dict[TaskId, int] = {}

    def look(self, task_id: TaskId) -> None:
        """Look at a task soon; one that is not held is left alone."""
        if task_id in self._shell.replicates:
            self._dirty.add(task_id)
            self._wake.set()

    def told_of(self, block: BlockNumber) -> None:
        """Note a block that the pool knows."""
        self._horizon.saw(block)

    def look_where_in_doubt(self) -> None:
        """Look soon at whatever the next block may already decide."""
        for task_id, replicate in self._shell.replicates.items():
            if replicate.status in DOUBTS or replicate.is_watched:
                self.look(task_id)

    def look_at_all(self) -> None:
        """Look soon at everything that is not over."""
        for task_id in self._held():
            self.look(task_id)

    async def keep_looking(self) -> None:
        """Answer every ``look``, all that are asked for at once in one batch, for ever.

        A batch that fails again and again is taken apart, so that one task of which no endpoint
        can tell holds up no other.
        """
        failed = 0
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._dirty = self._dirty, set()
            failed = await self._answer(asked, failed)
            self._tidy_up()

    async def _answer(self, asked: set[TaskId], failed: int) -> int:
        """Look, and again soon at what could not be seen; returns how often that was so."""
        left: set[TaskId] = set()
        fault: ChainUnreachable | None = None
        alone = failed >= MOST_LOOKS_FAILED
        for batch in [{each} for each in sorted(asked)] if alone else [asked]:
            try:
                await self._read(batch)
            except ChainUnreachable as unreachable:
                left, fault = left | batch, unreachable
        if fault is None:
            self._outage.over()
            return 0
        self._outage.tell(fault)
        self._dirty |= left
        await self._clock.sleep(PAUSE_BETWEEN_CHAIN_LOOKS)
        self._wake.set()
        return failed + 1

    async def follow_events(self, watcher: Watcher, pool: Address, first: BlockNumber) -> None:
        """Look at a task whenever the hub tells of it, for ever."""
        async with aclosing(watcher.events(pool, first)) as following:  # type: ignore[type-var]
            async for event in following:
                if event.task_id is not None:
                    self.look(event.task_id)

    def stake(self, task_id: TaskId) -> ReplicateStake:
        """Return what a replicate that is held has at stake, as last seen."""
        view, worker_stake = self._stakes.get(task_id, (None, None))
        return stake_of(self._shell.replicates[task_id], view, worker_stake)

    def stake_needed(self) -> NanoRlc | None:
        """Return what tasks that are held will still lock (nRLC); None: not known of all of them.

        Those of which the chain was not read yet are looked at soon.
        """
        needed = 0
        for task_id, each in self._held().items():
            if each.offer.flow is not Flow.STANDARD:
                continue
            view, worker_stake = self._stakes.get(task_id, (None, None))
            if view is None or worker_stake is None:
                self.look_at_all()
                return None
            own = next(iter(view.contributions.values()), None)
            if own is None or own.status is ContributionStatus.UNSET:
                needed += worker_stake
        return NanoRlc(needed)

    def _held(self) -> dict[TaskId, Replicate]:
        held = self._shell.replicates.items()
        return {task_id: each for task_id, each in held if not each.is_over}

    async def _is_deep(self, view: TaskView) -> bool:
        """Whether the end of a task, which may have been taken back and mined again, is not new."""
        first = BlockNumber(max(view.block - BLOCKS_THAT_SETTLE + 1, 0))
        new = await self._hub.task_events(view.task_id, first)
        return not any(event.kind in TASK_ENDS for event in new)

    async def _note_stake(self, task_id: TaskId, view: TaskView) -> None:
        """Keep what the status page shows of a stake; raises ChainUnreachable."""
        self._horizon.saw(view.block)
        replicate = self._shell.replicates.get(task_id)
        if replicate is not None:
            deal = await self._hub.deal(replicate.offer.deal_id)
            self._stakes[task_id] = view, deal.worker_stake if deal else None

    def _tidy_up(self) -> None:
        held = self._shell.replicates
        self._stakes = {name: each for name, each in self._stakes.items() if name in held}
        self._in_vain = {name: count for name, count in self._in_vain.items() if name in held}

    async def _read(self, asked: set[TaskId]) -> None:
        """Look at tasks, in one batch; one by one where that fails, to see whose fault it is."""
        known = self._shell.replicates
        held = {name for name, each in known.items() if each.is_watched or not each.is_over}
        wanted = [task_id for task_id in asked if task_id in held]
        try:
            views = await self._views(wanted)
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
            if len(wanted) <= 1:
                self._blind(wanted, fault)
                return
            for task_id in wanted:
                await self._read({task_id})
            return
        for task_id, view in views.found.items():
            await self._see(task_id, view)
        views.check()

    async def _views(self, wanted: Collection[TaskId]) -> Partial[TaskId, TaskView]:
        asked = dict.fromkeys(wanted, (self._worker,))
        return await self._hub.tasks(asked) if asked else Partial({})

    async def _see(self, task_id: TaskId, view: TaskView) -> None:
        """Take the news of one task; raises ChainUnreachable."""
        try:
            await self._hear(task_id, view)
            await self._note_stake(task_id, view)
        except ChainUnreachable:
            raise
        except Exception as fault:  # noqa: BLE001 - as in _read
            self._blind([task_id], fault)
        else:
            self._in_vain.pop(task_id, None)

    def _blind(self, tasks: Collection[TaskId], fault: Exception) -> None:
        """Give up a task that cannot be looked at again and again, unless stake may be in it."""
        for task_id in tasks:
            words = self._boundary.take(fault, "look", task_id=str(task_id))
            replicate = self._shell.replicates.get(task_id)
            self._in_vain[task_id] = self._in_vain.get(task_id, 0) + 1
            if replicate is None or replicate.is_over or replicate.has_contributed:
                continue
            if self._in_vain[task_id] >= MOST_IN_VAIN:
                told = f"the task cannot be looked at on chain: {words}"
                with self._boundary.around("look", task_id=str(task_id)):
                    self._shell.feed(task_id, Ended(self._clock.now(), Status.FAILED, told))

    async def _hear(self, task_id: TaskId, view: TaskView) -> None:
        replicate = self._shell.replicates.get(task_id)
        if replicate is None:
            return
        news = news_of(view, replicate, self._worker, self._clock.now(), self._grace)
        if news is None or (isinstance(news, Settled) and not await self._is_deep(view)):
            return
        try:
            self._shell.feed(task_id, news)
        except IllegalTransition as fault:
            log.warning("news_refused", task_id=str(task_id), cause=str(fault))
