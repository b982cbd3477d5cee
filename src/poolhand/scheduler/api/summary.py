"""The endpoint that tells how the pool does: for pages on which people compare pools."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median_low
from typing import Final

from fastapi import APIRouter

from poolhand.domain.deal import Deal, Workerpool
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId
from poolhand.domain.reward import worker_quota
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import NanoRlc, UnixSeconds, Wei
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.task_index import TaskIndex
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.asgi import service_router
from poolhand.wire.pool_api import PoolSummary
from poolhand.wire.pool_enclaves import EnclavesTold

LATEST: Final = 50
"""Tasks of which the median is told."""
SUMMARY_TOLD_FOR: Final = 30
"""Seconds for which it is told again."""


@dataclass(frozen=True, slots=True)
class LatestTasks:
    """The tasks completed last: how many, their median time (s), what they brought workers."""

    count: int = 0
    median: int | None = None
    earned: NanoRlc | None = None


class SummaryTeller:
    """Says how the pool does, from what is counted anyway.

    Args:
        index: Counts the open tasks.
        settled: Counts the others, and has the latest.
        slots: Counts the slots of workers that would take tasks.
        reads: Of the chain: the pool's policy.
        workerpool: The pool.
        now: Tells the time.
        gas_price: Of the newest look at the chain (wei per gas).
        known_deals: Those that have open tasks; the settled ones are in the archive.
        directory: Counts the workers that have proved enclaves.
    """

    def __init__(
        self,
        index: TaskIndex,
        settled: SettledTasks,
        slots: Callable[[], int],
        reads: OrderReads,
        workerpool: Address,
        now: Callable[[], UnixSeconds],
        gas_price: Callable[[], Wei | None],
        known_deals: Mapping[DealId, Deal],
        directory: WorkerDirectory,
    ) -> None:
        self._index, self._settled, self._slots = index, settled, slots
        self._reads, self._pool, self._now = reads, workerpool, now
        self._gas_price, self._known_deals = gas_price, known_deals
        self._directory = directory
        self._latest = LatestTasks()
        self._read_at: UnixSeconds | None = None

    async def summary(self) -> PoolSummary:
        """Say it."""
        completed, failed = self._count(TaskStatus.COMPLETED), self._count(TaskStatus.FAILED)
        ended, policy = completed + failed, await self._policy()
        latest = await self._latest_tasks()
        return PoolSummary(
            slots=self._slots(),
            busy=self._index.busy,
            completed=completed,
            failed=failed,
            success_rate=round(completed / ended, 4) if ended else None,
            median_seconds=latest.median,
            scheduler_percent=policy.scheduler_percent if policy else None,
            worker_stake_percent=policy.worker_stake_percent if policy else None,
            latest_tasks=latest.count,
            latest_earned=latest.earned,
            gas_price=self._gas_price(),
            enclaves=tuple(
                EnclavesTold(framework=each, workers=count, simulated=simulated)
                for each, (count, simulated) in sorted(self._directory.proved.items())
            ),
        )

    def _count(self, status: TaskStatus) -> int:
        return self._index.statuses[status] + self._settled.count(status)

    async def _policy(self) -> Workerpool | None:
        try:
            return await self._reads.workerpool(self._pool)
        except ChainUnreachable:
            return None

    async def _latest_tasks(self) -> LatestTasks:
        now = self._now()
        if self._read_at is None or now >= self._read_at + SUMMARY_TOLD_FOR:
            self._read_at = now
            found = await self._settled.tasks(TaskStatus.COMPLETED, None, LATEST)
            times = [each.history[-1][1] - each.history[0][1] for each in found if each.history]
            median = median_low(times) if times else None
            self._latest = LatestTasks(len(found), median, await self._earned(found))
        return self._latest

    async def _earned(self, tasks: Sequence[Task]) -> NanoRlc | None:
        """Return what tasks brought their workers together, without the stakes of losers."""
        names = {each.facts.deal_id for each in tasks}
        known = self._known_deals
        deals = {each: known.get(each) or await self._settled.deal(each) for each in names}
        quotas = {
            name: worker_quota(deal.workerpool.price, deal.scheduler_percent)
            for name, deal in deals.items()
            if deal is not None
        }
        if not names or len(quotas) < len(names):
            return None
        return NanoRlc(sum(quotas[each.facts.deal_id] for each in tasks))


def summary_routes(teller: SummaryTeller) -> APIRouter:
    """Return the endpoint."""
    router = service_router()

    @router.get("/v1/summary")
    async def summary() -> PoolSummary:
        """Tell how the pool does: load, tasks settled, how long they took, what it keeps."""
        return await teller.summary()

    return router
