"""What a market's database forgets once it is old: deals with the story of their tasks, and stakes.

A deal's events that settle its tasks go last, together with its row: what was begun and not ended,
for a program that stopped, is still a deal whose tasks have settled.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, delete, select, tuple_

from poolhand.domain.units import UnixSeconds
from poolhand.store.market import counts
from poolhand.store.market.looks import SETTLING_EVENTS, unsettled
from poolhand.store.market.schema import (
    MARKET_DEALS_TABLE,
    MARKS_TABLE,
    STAKE_STEPS,
    TASK_STEPS,
)
from poolhand.store.market.where import beside_index

_D: Final = MARKET_DEALS_TABLE.c
_T: Final = TASK_STEPS.c
_S: Final = STAKE_STEPS.c


@dataclass(frozen=True, slots=True)
class ForgottenAtOnce:
    """How many rows of a kind one transaction takes at most."""

    deals: int = 20
    steps: int = 1_000


@dataclass(frozen=True, slots=True)
class DealPlace:
    """A deal's place among all, which begin with the oldest."""

    age: int
    deal_id: str


@dataclass(frozen=True, slots=True)
class OldDeals:
    """Which deals are forgotten: those made before these moments (Unix seconds).

    Attributes:
        settled: Whose tasks have all been finalized or claimed.
        unsettled: The others, which may still lock somebody's stake.
    """

    settled: UnixSeconds
    unsettled: UnixSeconds


def newest_moment(connection: Connection) -> UnixSeconds | None:
    """Return when the newest block was made that was read; None: none was."""
    found = connection.scalar(
        select(MARKS_TABLE.c.moment).order_by(MARKS_TABLE.c.block.desc()).limit(1)
    )
    return None if found is None else UnixSeconds(found)


def forget_deals(
    connection: Connection, old: OldDeals, after: DealPlace | None, most: ForgottenAtOnce
) -> DealPlace | None:
    """Forget some deals that are old, with their tasks' events.

    Args:
        connection: Of the transaction.
        old: Which are.
        after: Where to go on; None: at the oldest.
        most: That one call takes.

    Returns:
        Where the next call goes on; None: no further one is old.

    The oldest are read off an index, and no more of them than ``most``: where nothing is old, that
    is seen by the first.
    """
    asked = select(MARKET_DEALS_TABLE)
    if after is not None:
        asked = asked.where(tuple_(_D.age, _D.deal_id) < (after.age, after.deal_id))
    asked = asked.order_by(_D.age.desc(), _D.deal_id.desc()).limit(most.deals)
    read = connection.execute(asked).mappings().all()
    rows = [row for row in read if row["moment"] < old.settled]  # the oldest come first
    left = unsettled(connection, [json.loads(row["document"]) for row in rows])
    place = after
    for row, tasks in zip(rows, left.values(), strict=True):
        is_over = tasks <= 0 or row["moment"] < old.unsettled
        if is_over and not _forget(connection, row, most.steps):
            return place or DealPlace(row["age"] + 1, "")
        place = DealPlace(row["age"], row["deal_id"])
    return place if len(rows) == most.deals else None


def _forget(connection: Connection, deal: Mapping[Any, Any], most: int) -> bool:
    """Forget a deal, or the beginning of what happened in it; tells whether it is gone."""
    told = select(_T.n).where(_T.deal_id == deal["deal_id"])
    told = told.where(beside_index(_T.kind).not_in(SETTLING_EVENTS)).limit(most)
    names = connection.scalars(told).all()
    connection.execute(delete(TASK_STEPS).where(_T.n.in_(names)))
    if len(names) == most:
        return False
    connection.execute(delete(TASK_STEPS).where(_T.deal_id == deal["deal_id"]))
    connection.execute(delete(MARKET_DEALS_TABLE).where(_D.deal_id == deal["deal_id"]))
    counts.change(connection, counts.of_deals([deal], -1))
    return True


def forget_stakes(connection: Connection, before: UnixSeconds, most: ForgottenAtOnce) -> bool:
    """Forget the oldest of what was paid and lost before a moment; tells whether there is more."""
    asked = select(_S.n, _S.moment).order_by(_S.block, _S.log_index).limit(most.steps)
    rows = connection.execute(asked).all()
    names = [n for n, moment in rows if moment < before]
    connection.execute(delete(STAKE_STEPS).where(_S.n.in_(names)))
    return len(names) == most.steps
