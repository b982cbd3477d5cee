"""What an operator watches of a worker: its status, earnings, locks and what its apps print.

``GET /v1/live`` is a contract, as ``/v1/status`` is, whose members it has besides its own: they are
added, never renamed. It needs the worker's token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

from poolhand.chain.earnings_watch import EarningsRead, EarningsWatch
from poolhand.domain.app_progress import WHOLE, AppProgress
from poolhand.domain.earning_book import (
    WEEK,
    DayTotal,
    EarningBook,
    TaskTotal,
    gas_days,
)
from poolhand.domain.earnings import date_of, midnight
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.status import Status
from poolhand.domain.trust import Score
from poolhand.domain.units import UnixSeconds
from poolhand.ports.runtime import ContainerRuntime
from poolhand.worker.app_output import line_members, use_members
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.progress import progress_of
from poolhand.worker.status import WorkerTeller
from poolhand.worker.wallet_watch import WalletWatch

DAYS_TOLD: Final = 90
TASKS_TOLD: Final = 50
LIVE_LINES: Final = 12
"""Lines of each running app that are told, its last."""


class LiveTeller:
    """Tells all of it.

    Args:
        teller: Tells the status.
        member: Has the replicates.
        wallet: Has gas and stake.
        earnings: What was earned.
        runtime: Has the containers.
        container: Names that of a task.
        said: Reads how far an app itself says that it is; None: it says nothing.
        score: On chain; None before the first look.
        settings: What may be changed meanwhile.
    """

    def __init__(
        self,
        teller: WorkerTeller,
        member: PoolMember,
        wallet: WalletWatch,
        earnings: EarningsWatch,
        runtime: ContainerRuntime,
        container: Callable[[TaskId], str],
        said: Callable[[TaskId], AppProgress | None],
        score: Callable[[], Score | None],
        settings: LiveSettings,
    ) -> None:
        self._teller, self._member, self._wallet = teller, member, wallet
        self._earnings, self._runtime, self._container = earnings, runtime, container
        self._said, self._score, self._settings = said, score, settings

    async def show(self) -> dict[str, Any]:
        """Tell it all; asks the engine what the apps that run have printed."""
        told = self._teller.show()
        read = self._earnings.read
        return {
            **told,
            "score": self._score(),
            "gas_days": self._gas_days(read),
            "earnings": None if read is None else _earnings(read.book, read.at),
            "locks": _locks(told),
            "progress": self._progress(),
            "output": await self._output(),
            "settings": self._settings.show(),
        }

    def _gas_days(self, read: EarningsRead | None) -> float | None:
        gas = self._wallet.gas
        if read is None or gas is None:
            return None
        lasts = gas_days(read.book, gas.balance, read.at)
        return None if lasts is None else round(lasts, 1)

    def _progress(self) -> dict[str, Any]:
        held = self._member.shell.replicates.items()
        return {str(task_id): asdict(progress_of(each)) for task_id, each in held}

    async def _output(self) -> dict[str, Any]:
        """Tell the last lines of each app that runs; none while the engine does not answer."""
        held = self._member.shell.replicates.items()
        computing = [name for name, each in held if each.status is Status.COMPUTING]
        found = {}
        for task_id in computing:
            try:
                told = await self._printed(self._container(task_id))
            except RuntimeDown:
                continue
            if told is not None:
                said = await asyncio.to_thread(self._said, task_id)
                found[str(task_id)] = {**told, "says": None if said is None else _said(said)}
        return found

    async def _printed(self, container: str) -> dict[str, Any] | None:
        use = await self._runtime.usage(container)
        if use is None:
            return None
        lines = [
            line_members(e) async for e in self._runtime.follow(container, LIVE_LINES, live=False)
        ]
        return {**use_members(use), "lines": lines}


def _said(found: AppProgress) -> dict[str, Any]:
    """Show what an app says of itself; ``fraction`` is None where it tells none."""
    part = found.millionths
    return {"fraction": None if part is None else part / WHOLE, "words": found.words}


def _earnings(book: EarningBook, now: UnixSeconds) -> dict[str, Any]:
    """Show a book (nRLC, wei; days as dates, UTC)."""
    days = sorted(book.days.items(), reverse=True)[:DAYS_TOLD]
    tasks = sorted(book.tasks.items(), key=lambda each: each[1].at, reverse=True)[:TASKS_TOLD]
    return {
        "first_block": book.first,
        "last_block": book.last,
        "since": book.since,
        "whole": book.is_whole,
        "today": _row(book.total(midnight(now))),
        "week": _row(book.total(midnight(now, WEEK - 1))),
        "all": _row(book.total()),
        "date": date_of(now),
        "days": [{"day": date_of(day), **_row(row)} for day, row in days],
        "tasks": [{"task_id": str(name), **_task(row)} for name, row in tasks],
    }


def _row(row: DayTotal) -> dict[str, Any]:
    return {
        "won": row.won,
        "failed": row.failed,
        "earned_nrlc": row.earned,
        "lost_nrlc": row.lost,
        "paid_nrlc": row.paid,
        "gas_wei": row.gas,
    }


def _task(row: TaskTotal) -> dict[str, Any]:
    return {
        "at": row.at,
        "earned_nrlc": row.earned,
        "lost_nrlc": row.lost,
        "paid_nrlc": row.paid,
        "gas_wei": row.gas,
    }


def _locks(told: Mapping[str, Any]) -> dict[str, Any]:
    """Tell which replicate locks how much until when, and what is locked besides (nRLC)."""
    rows = [
        {
            "task_id": each["task_id"],
            "locked_nrlc": each["stake_locked_nrlc"],
            "unlocks_at": each["unlocks_at"],
            "reveal_by": each["reveal_by"],
        }
        for each in told["replicates"]
        if each["stake_locked_nrlc"]
    ]
    locked = told["stake"]["locked_nrlc"]
    known = sum(each["locked_nrlc"] for each in rows)
    return {"tasks": rows, "other_nrlc": None if locked is None else max(locked - known, 0)}
