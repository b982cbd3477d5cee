"""What people look for: tasks of a deal, an account, and whatever has some name."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from poolhand.domain.category import Category
from poolhand.domain.ids import Address, DealId, FixedBytes, TaskId
from poolhand.domain.market.standing_stakes import LockedStake, LockRole, locked_by
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import EventKind
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.store.market import history
from poolhand.store.market.registered import find_asset
from poolhand.store.market.schema import (
    CATEGORIES_TABLE,
    MARKET_DEALS_TABLE,
    ORDERS_TABLE,
    TASK_STEPS,
)
from poolhand.store.market.where import hexed

MOST_LOCKS: Final = 50
"""Deals, and contributions, among which an account's locks are looked for: the newest."""
SETTLING_EVENTS: Final = (EventKind.TASK_FINALIZE.value, EventKind.TASK_CLAIMED.value)


@dataclass(frozen=True, slots=True)
class NamedThing:
    """Something that has a name: its kind as the API's paths have it, and what is found by."""

    kind: str
    name: str


def find_category(connection: Connection, index: int) -> Category | None:
    """Return a category."""
    asked = select(CATEGORIES_TABLE.c.time_ref).where(CATEGORIES_TABLE.c.catid == index)
    found = connection.scalar(asked)
    return None if found is None else Category(index, "", Seconds(found))


def unsettled(connection: Connection, deals: list[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many tasks of each deal are neither finalized nor claimed."""
    names = [DealId.parse(deal["dealid"]) for deal in deals]
    known = history.settled_of(connection, names) if names else {}
    return {
        deal["dealid"]: deal["botSize"]
        - sum(known.get(name, {}).get(kind, 0) for kind in SETTLING_EVENTS)
        for deal, name in zip(deals, names, strict=True)
    }


def locks_of(connection: Connection, owner: Address) -> Iterator[LockedStake]:
    """Yield where an account's stake is locked, among its newest deals and contributions."""
    for role, column in (
        (LockRole.REQUESTER, MARKET_DEALS_TABLE.c.requester),
        (LockRole.POOL_OWNER, MARKET_DEALS_TABLE.c.workerpool_owner),
    ):
        asked = select(MARKET_DEALS_TABLE.c.document).where(column == hexed(owner))
        asked = asked.order_by(MARKET_DEALS_TABLE.c.age, MARKET_DEALS_TABLE.c.deal_id).limit(
            MOST_LOCKS
        )
        deals = [json.loads(document) for document in connection.scalars(asked)]
        left = unsettled(connection, deals)
        for deal in deals:
            if left[deal["dealid"]] > 0:
                yield locked_by(role, deal, left[deal["dealid"]], _until(connection, deal))
    yield from _locks_of_worker(connection, owner)


def _locks_of_worker(connection: Connection, worker: Address) -> Iterator[LockedStake]:
    given = history.newest_tasks(connection, MOST_LOCKS, worker)
    steps = history.steps_of(connection, [task for task, _ in given])
    open_in = Counter(
        deal
        for task, deal in given
        if not {step.kind.value for step in steps[task]} & {*SETTLING_EVENTS}
    )
    for deal_id, tasks in open_in.items():
        asked = select(MARKET_DEALS_TABLE.c.document).where(
            MARKET_DEALS_TABLE.c.deal_id == hexed(deal_id)
        )
        document = connection.scalar(asked)
        if document is not None:
            deal = json.loads(document)
            yield locked_by(LockRole.WORKER, deal, tasks, _until(connection, deal))


def _until(connection: Connection, deal: Mapping[str, Any]) -> UnixSeconds | None:
    category = find_category(connection, deal["category"])
    return category.final_deadline(UnixSeconds(deal["startTime"])) if category else None


def named(connection: Connection, name: FixedBytes) -> list[NamedThing]:
    """Return whatever has a name: an address, or a hash of 32 bytes."""
    text = hexed(name)
    if isinstance(name, Address):
        asset = find_asset(connection, name)
        kind = "account" if asset is None else asset.sort.value
        return [NamedThing(kind, str(name))]
    found = [
        NamedThing(f"{OrderSort(sort).value}order", text)
        for sort in connection.scalars(
            select(ORDERS_TABLE.c.sort).where(ORDERS_TABLE.c.order_hash == text)
        )
    ]
    if connection.scalar(
        select(MARKET_DEALS_TABLE.c.deal_id).where(MARKET_DEALS_TABLE.c.deal_id == text)
    ):
        found.append(NamedThing("deal", text))
    if history.deals_of_tasks(connection, [TaskId(name)]):
        found.append(NamedThing("task", text))
    return [*found, *_of_transaction(connection, text)]


def _of_transaction(connection: Connection, text: str) -> Iterator[NamedThing]:
    """Yield what a transaction did: the deals it made, the tasks it touched."""
    deals = (
        select(MARKET_DEALS_TABLE.c.deal_id)
        .where(MARKET_DEALS_TABLE.c.tx_hash == text)
        .limit(MOST_LOCKS)
    )
    yield from (NamedThing("deal", name) for name in connection.scalars(deals))
    tasks = select(TASK_STEPS.c.task_id).where(TASK_STEPS.c.tx_hash == text).distinct()
    yield from (NamedThing("task", name) for name in connection.scalars(tasks.limit(MOST_LOCKS)))
