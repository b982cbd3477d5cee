"""What the pool's owner sees of its pool: figures that are counted anyway, and alerts of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict, replace
from typing import Final

from fastapi import APIRouter

from poolhand.chain.earnings_watch import EarningsRead
from poolhand.domain.earning_book import WEEK
from poolhand.domain.earnings import date_of, midnight
from poolhand.domain.pool_alerts import PoolFigures, gas_lasts, pool_alerts
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import NanoRlc, Seconds
from poolhand.ports.clock import Clock
from poolhand.scheduler.draining import PoolDrain
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.transactions import Transactions
from poolhand.scheduler.waiting_tasks import WaitingTasks
from poolhand.scheduler.worker_tallies import WorkerTallies
from poolhand.transport.asgi import service_router
from poolhand.wire.pool_api import PoolConfig, PoolHealth, PoolSummary
from poolhand.wire.pool_dashboard import (
    AlertTold,
    DayEarned,
    EarnedTold,
    PoolDashboard,
    PoolEarnings,
)

POOL_DAYS_TOLD: Final = 30
"""Days of the owner's earnings that are told one by one."""


class DashboardTeller:
    """Says how a pool is, to its owner.

    Args:
        config: What it says of itself.
        health, summary: What everybody may know.
        engine, settled: Count tasks.
        waiting: Knows what waits.
        drain: What the owner asked for.
        exclusions: Whom it keeps from work.
        tallies: What workers have done.
        transactions: Those under way.
        disk: Bytes free on the database's disk; None where that is not known.
        clock: For how long the program runs.
        earnings: What the last look at the chain has found; None before the first.
    """

    def __init__(
        self,
        config: PoolConfig,
        health: Callable[[], PoolHealth],
        summary: Callable[[], Awaitable[PoolSummary]],
        engine: Engine,
        settled: SettledTasks,
        waiting: WaitingTasks,
        drain: PoolDrain,
        exclusions: Exclusions,
        tallies: WorkerTallies,
        transactions: Transactions,
        disk: Callable[[], int | None],
        clock: Clock,
        earnings: Callable[[], EarningsRead | None],
    ) -> None:
        self._config, self._health, self._summary = config, health, summary
        self._engine, self._settled, self._waiting = engine, settled, waiting
        self._drain, self._exclusions, self._tallies = drain, exclusions, tallies
        self._transactions, self._disk, self._clock = transactions, disk, clock
        self._began, self._earnings = clock.steady(), earnings

    async def tell(self) -> PoolDashboard:
        """Say it."""
        config, health, wish = self._config, self._health(), self._drain.wish
        uptime = Seconds(self._clock.steady() - self._began)
        summary = await self._summary()
        has_room = (summary.busy or 0) < (summary.slots or 0)
        figures = replace(self._figures(health, uptime), has_room=has_room)
        return PoolDashboard(
            url=config.url,
            workerpool=config.workerpool,
            owner=config.owner,
            version=config.version,
            uptime=uptime,
            draining=wish.drains,
            cancels=wish.cancels,
            health=health,
            summary=summary,
            tasks={str(each): count for each in TaskStatus if (count := self._count(each))},
            waits=figures.waits,
            excluded=len(self._exclusions),
            settled=self._tallies.settled,
            failed=self._tallies.failed,
            gas_days=figures.gas_days,
            transactions=self._transactions.under_way,
            transaction=figures.transaction,
            disk=figures.disk,
            earnings=_earnings(self._earnings()),
            alerts=tuple(AlertTold(**asdict(each)) for each in pool_alerts(figures)),
        )

    def _count(self, status: TaskStatus) -> int:
        return self._engine.index.statuses[status] + self._settled.count(status)

    def _figures(self, health: PoolHealth, uptime: Seconds) -> PoolFigures:
        gas, deposit, tallies = health.gas, health.deposit, self._tallies
        free = deposit.free
        missing = 0 if free is None else max(0, deposit.least - free)
        return PoolFigures(
            chain=health.chain,
            gas_missing=gas.missing,
            gas_message=gas.message if gas.short else None,
            gas_days=gas_lasts(gas.balance, gas.spent, uptime),
            stake_missing=NanoRlc(missing),
            workers=health.workers,
            open_tasks=health.open_tasks or 0,
            waits=self._waiting.longest(),
            judged=tallies.settled + tallies.failed,
            failed=tallies.failed,
            transaction=self._transactions.oldest(),
            disk=self._disk(),
        )


def _earnings(read: EarningsRead | None) -> PoolEarnings | None:
    """Tell what a look has found; what is kept of it is bounded."""
    if read is None:
        return None
    book, now = read.book, read.at
    days = sorted(book.days.items(), reverse=True)[:POOL_DAYS_TOLD]
    return PoolEarnings(
        first_block=book.first,
        last_block=book.last,
        whole=book.is_whole,
        date=date_of(now),
        today=EarnedTold(**asdict(book.total(midnight(now)))),
        week=EarnedTold(**asdict(book.total(midnight(now, WEEK - 1)))),
        all=EarnedTold(**asdict(book.total())),
        days=tuple(DayEarned(day=date_of(day), **asdict(row)) for day, row in days),
    )


def dashboard_routes(teller: DashboardTeller) -> APIRouter:
    """Return the endpoint; ``transport.bearer`` asks before it who may see it."""
    router = service_router()

    @router.get("/v1/owner/dashboard")
    async def dashboard() -> PoolDashboard:
        """Tell the pool's owner how it is: workers, queue, money, gas, and what needs a person."""
        return await teller.tell()

    return router
