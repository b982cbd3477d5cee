"""What an account earned so far, by day and by task: bounded, and added to range by range. Pure.

Days are those of UTC. Amounts of ranges that meet may be added in any order; each block is added
once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from poolhand.domain.earnings import EarningEntry, midnight
from poolhand.domain.ids import BlockHash, TaskId
from poolhand.domain.units import DAY, BlockNumber, NanoRlc, Seconds, UnixSeconds, Wei

MOST_TASK_ROWS: Final = 500
"""Tasks that have a row of their own: those that were met last."""
MOST_DAY_ROWS: Final = 400
"""Days that have a row of their own: the newest, a year and more."""
WEEK: Final = 7
"""Days of what is told of a week, today's the last of them."""
LEAST_SPAN: Final = Seconds(3_600)
"""From less than an hour no pace is told for a day."""

RowT = TypeVar("RowT", "DayTotal", "TaskTotal")


@dataclass(frozen=True, slots=True)
class DayTotal:
    """Sums of one or several days (nRLC, gas in wei).

    Attributes:
        won, failed: Tasks that paid something, and tasks that cost stake.
        earned, lost, paid: Rewards, stake lost, prices paid as a requester.
        gas: Coin spent on transactions that left an event.
    """

    won: int = 0
    failed: int = 0
    earned: NanoRlc = NanoRlc(0)
    lost: NanoRlc = NanoRlc(0)
    paid: NanoRlc = NanoRlc(0)
    gas: Wei = Wei(0)

    def plus(self, other: DayTotal) -> DayTotal:
        """Return both together."""
        return DayTotal(
            self.won + other.won,
            self.failed + other.failed,
            NanoRlc(self.earned + other.earned),
            NanoRlc(self.lost + other.lost),
            NanoRlc(self.paid + other.paid),
            Wei(self.gas + other.gas),
        )


@dataclass(frozen=True, slots=True)
class TaskTotal:
    """Sums of one task (nRLC, gas in wei); ``at`` is when it was met last."""

    at: UnixSeconds
    earned: NanoRlc = NanoRlc(0)
    lost: NanoRlc = NanoRlc(0)
    paid: NanoRlc = NanoRlc(0)
    gas: Wei = Wei(0)

    def plus(self, other: TaskTotal) -> TaskTotal:
        """Return both together."""
        return TaskTotal(
            max(self.at, other.at),
            NanoRlc(self.earned + other.earned),
            NanoRlc(self.lost + other.lost),
            NanoRlc(self.paid + other.paid),
            Wei(self.gas + other.gas),
        )


@dataclass(frozen=True, slots=True)
class EarningBook:
    """Sums over the blocks from ``first`` to ``last``; none where ``last`` is before ``first``.

    Attributes:
        first, last: The blocks.
        days: By day (its midnight, UTC), at most ``MOST_DAY_ROWS``.
        tasks: By task, at most ``MOST_TASK_ROWS``: those that were met last.
        since: When the oldest thing happened that is in it; None while there is none.
        wanted: The first block that it is to have.
        older: All days before those of ``days`` together.
    """

    first: BlockNumber
    last: BlockNumber
    days: Mapping[UnixSeconds, DayTotal] = field(default_factory=dict)
    tasks: Mapping[TaskId, TaskTotal] = field(default_factory=dict)
    since: UnixSeconds | None = None
    wanted: BlockNumber = BlockNumber(0)
    older: DayTotal = DayTotal()

    @property
    def is_whole(self) -> bool:
        """Whether it has all the blocks that it is to have."""
        return self.first <= self.wanted

    def plus(
        self, entries: Iterable[EarningEntry], first: BlockNumber, last: BlockNumber
    ) -> EarningBook:
        """Return the book with what happened in blocks that join it on one side."""
        found = tuple(entries)
        moments = [each.at for each in found]
        moments += [] if self.since is None else [self.since]
        days, older = _folded(_joined(self.days, _days(found)), self.older)
        return replace(
            self,
            first=min(self.first, first),
            last=max(self.last, last),
            days=days,
            older=older,
            tasks=_newest(_joined(self.tasks, _tasks(found))),
            since=min(moments, default=None),
        )

    def total(self, since: UnixSeconds | None = None) -> DayTotal:
        """Return the sum of the days from one on; of all without it."""
        if since is None:
            return _sum([self.older, *self.days.values()])
        return _sum(row for day, row in self.days.items() if day >= since)


@dataclass(frozen=True, slots=True)
class KeptEarnings:
    """A book, and the hash of its last block: another there is of another life of the chain."""

    book: EarningBook
    last_hash: BlockHash


def gas_days(book: EarningBook, balance: Wei, now: UnixSeconds) -> float | None:
    """Return for how many days a balance lasts at the pace of the last seven.

    Returns:
        None where no gas was spent in them.
    """
    begun = midnight(now, WEEK - 1)
    spent = book.total(begun).gas
    if spent <= 0 or book.since is None:
        return None
    span = max(now - max(book.since, begun), LEAST_SPAN)
    return balance * span / spent / DAY


def _sum(rows: Iterable[DayTotal]) -> DayTotal:
    whole = DayTotal()
    for row in rows:
        whole = whole.plus(row)
    return whole


def _days(entries: Iterable[EarningEntry]) -> dict[UnixSeconds, DayTotal]:
    """Sum up by day; a task is settled in one transaction, so it counts once in one range."""
    found: dict[UnixSeconds, DayTotal] = {}
    counted: set[tuple[TaskId | None, bool]] = set()
    for each in entries:
        won = each.earned > 0 and (each.task_id, True) not in counted
        failed = each.lost > 0 and (each.task_id, False) not in counted
        counted |= {(each.task_id, True)} if won else set()
        counted |= {(each.task_id, False)} if failed else set()
        row = DayTotal(won, failed, each.earned, each.lost, each.paid, each.gas)
        day = midnight(each.at)
        found[day] = found.get(day, DayTotal()).plus(row)
    return found


def _tasks(entries: Iterable[EarningEntry]) -> dict[TaskId, TaskTotal]:
    found: dict[TaskId, TaskTotal] = {}
    for each in entries:
        if each.task_id is not None:
            row = TaskTotal(each.at, each.earned, each.lost, each.paid, each.gas)
            before = found.get(each.task_id)
            found[each.task_id] = row if before is None else before.plus(row)
    return found


KeyT = TypeVar("KeyT")


def _joined(before: Mapping[KeyT, RowT], more: Mapping[KeyT, RowT]) -> dict[KeyT, RowT]:
    found = dict(before)
    for key, row in more.items():
        known = found.get(key)
        found[key] = row if known is None else known.plus(row)
    return found


def _folded(
    days: Mapping[UnixSeconds, DayTotal], older: DayTotal
) -> tuple[Mapping[UnixSeconds, DayTotal], DayTotal]:
    """Put the oldest of too many days into one sum: whatever is older still goes there, too."""
    surplus = frozenset(sorted(days)[:-MOST_DAY_ROWS])
    kept = {day: row for day, row in days.items() if day not in surplus}
    return kept, _sum([older, *(days[day] for day in surplus)])


def _newest(tasks: Mapping[TaskId, TaskTotal]) -> Mapping[TaskId, TaskTotal]:
    if len(tasks) <= MOST_TASK_ROWS:
        return tasks
    ordered = sorted(tasks.items(), key=lambda each: each[1].at, reverse=True)
    return dict(ordered[:MOST_TASK_ROWS])
