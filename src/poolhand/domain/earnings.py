"""What an account earned, lost, paid and spent on gas: its movements and transactions, judged.

``judge`` says of each what it was; ``by_day`` and ``by_task`` sum it up. Stake that is locked and
comes free again is neither earned nor lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, TaskId, TxHash
from poolhand.domain.movements import Movement, MovementKind, Payment
from poolhand.domain.units import DAY, NanoRlc, UnixSeconds, Wei

KeyT = TypeVar("KeyT", TaskId | None, UnixSeconds)


class EarningRole(StrEnum):
    """As what an account earned or lost something."""

    WORKER = "worker"
    POOL_OWNER = "pool owner"
    APP_OWNER = "app owner"
    DATASET_OWNER = "dataset owner"
    REQUESTER = "requester"


@dataclass(frozen=True, slots=True)
class EarningEntry:
    """One thing that happened (amounts in nRLC, gas in wei); ``roles`` are those it may be of."""

    at: UnixSeconds
    tx_hash: TxHash
    task_id: TaskId | None = None
    roles: tuple[EarningRole, ...] = ()
    earned: NanoRlc = NanoRlc(0)
    lost: NanoRlc = NanoRlc(0)
    paid: NanoRlc = NanoRlc(0)
    gas: Wei = Wei(0)


@dataclass(frozen=True, slots=True)
class EarningSum:
    """Entries of one day or one task, summed up."""

    roles: tuple[EarningRole, ...]
    tasks: int
    earned: NanoRlc
    lost: NanoRlc
    paid: NanoRlc
    gas: Wei


@dataclass(frozen=True, slots=True)
class EarningFacts:
    """What judging needs to know of a task: its deal, whether it completed, who contributed."""

    deal: Deal
    is_completed: bool
    worked: bool


def judge(
    owner: Address,
    movements: Iterable[Movement],
    tasks: Mapping[TaskId, EarningFacts],
    times: Mapping[TxHash, Payment],
) -> list[EarningEntry]:
    """Say what each reward and each seizure was to an account.

    Args:
        owner: The account.
        movements: All of its, in order.
        tasks: Those that rewards and seizures name.
        times: When each transaction was mined.
    """
    entries: list[EarningEntry] = []
    bought: set[TaskId] = set()
    for each in movements:
        facts = tasks.get(each.task_id) if each.task_id else None
        at = times[each.tx_hash].at if each.tx_hash in times else UnixSeconds(0)
        if each.kind is MovementKind.REWARD:
            roles = roles_of(owner, facts)
            entry = EarningEntry(at, each.tx_hash, each.task_id, roles, earned=each.amount)
        elif each.kind is MovementKind.SEIZURE:
            entry = _seized(owner, each, facts, at, bought)
        else:
            continue
        entries.append(entry)
    return entries


def roles_of(owner: Address, facts: EarningFacts | None) -> tuple[EarningRole, ...]:
    """Return as what an account may be paid by a task."""
    if facts is None:
        return ()
    deal = facts.deal
    held = {
        EarningRole.WORKER: facts.worked,
        EarningRole.POOL_OWNER: deal.workerpool.owner == owner,
        EarningRole.APP_OWNER: deal.app.owner == owner and deal.app.price > 0,
        EarningRole.DATASET_OWNER: deal.dataset.owner == owner and deal.dataset.price > 0,
    }
    return tuple(role for role, holds in held.items() if holds)


def _seized(
    owner: Address,
    each: Movement,
    facts: EarningFacts | None,
    at: UnixSeconds,
    bought: set[TaskId],
) -> EarningEntry:
    """Tell a price that was paid from a stake that was lost; of a completed task it comes first."""
    task_id = each.task_id
    if facts is None:
        return EarningEntry(at, each.tx_hash, task_id, lost=each.amount)
    pays = facts.is_completed and facts.deal.sponsor == owner
    if pays and task_id is not None and task_id not in bought:
        bought.add(task_id)
        return EarningEntry(at, each.tx_hash, task_id, (EarningRole.REQUESTER,), paid=each.amount)
    role = EarningRole.WORKER if facts.is_completed else EarningRole.POOL_OWNER
    return EarningEntry(at, each.tx_hash, task_id, (role,), lost=each.amount)


def gas_entries(
    owner: Address, paid: Mapping[TxHash, Payment], about: Mapping[TxHash, set[TaskId]]
) -> list[EarningEntry]:
    """Return what an account spent on gas; of a task where a transaction is about one alone."""
    return [
        EarningEntry(each.at, tx, _only(about.get(tx, set())), gas=each.cost)
        for tx, each in paid.items()
        if each.sender == owner
    ]


def _only(tasks: set[TaskId]) -> TaskId | None:
    return next(iter(tasks)) if len(tasks) == 1 else None


def midnight(at: UnixSeconds, days_before: int = 0) -> UnixSeconds:
    """Return when the day of a moment began (UTC), or one before it."""
    return UnixSeconds(at - at % DAY - days_before * DAY)


def date_of(day: UnixSeconds) -> str:
    """Write the date of a moment (ISO 8601, UTC)."""
    return datetime.fromtimestamp(day, UTC).strftime("%Y-%m-%d")


def by_day(entries: Iterable[EarningEntry]) -> dict[UnixSeconds, EarningSum]:
    """Sum up by day (its midnight, UTC), newest first."""
    days = _grouped(entries, lambda each: midnight(each.at))
    return dict(sorted(days.items(), reverse=True))


def by_task(entries: Iterable[EarningEntry]) -> dict[TaskId | None, EarningSum]:
    """Sum up by task, the one that was met last first; None is what is of no single task."""
    newest = sorted(entries, key=lambda each: each.at, reverse=True)
    return _grouped(newest, lambda each: each.task_id)


def sum_up(entries: Iterable[EarningEntry]) -> EarningSum:
    """Sum up everything."""
    found = list(entries)
    roles = dict.fromkeys(role for each in found for role in each.roles)
    return EarningSum(
        roles=tuple(roles),
        tasks=len({each.task_id for each in found if each.task_id}),
        earned=NanoRlc(sum(each.earned for each in found)),
        lost=NanoRlc(sum(each.lost for each in found)),
        paid=NanoRlc(sum(each.paid for each in found)),
        gas=Wei(sum(each.gas for each in found)),
    )


def _grouped(
    entries: Iterable[EarningEntry], key: Callable[[EarningEntry], KeyT]
) -> dict[KeyT, EarningSum]:
    groups: dict[KeyT, list[EarningEntry]] = {}
    for each in entries:
        groups.setdefault(key(each), []).append(each)
    return {name: sum_up(group) for name, group in groups.items()}
