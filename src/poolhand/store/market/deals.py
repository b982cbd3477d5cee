"""Lists of deals: their length is counted as they come, and their rows are read off one index."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, func, select

from poolhand.domain.market.filters import Slice
from poolhand.store.market import counts
from poolhand.store.market.lists import Listed
from poolhand.store.market.schema import MARKET_DEALS_TABLE

MOST_LOOKED_AT: Final = 10_000
"""Of several things that are asked for, one is had by fewest deals: the newest of these, so many,
are looked at for the others."""
_IN_ORDER: Final = (MARKET_DEALS_TABLE.c.age, MARKET_DEALS_TABLE.c.deal_id)


def list_deals(
    connection: Connection,
    wanted: Mapping[str, str | int],
    part: Slice,
    most: int = MOST_LOOKED_AT,
) -> Listed:
    """Return deals' JSON, newest block first, then by id.

    Args:
        connection: Of the transaction.
        wanted: What they must have, by column.
        part: Of the list.
        most: Deals that are looked at where several things are wanted.
    """
    numbers = {
        name: counts.number_of(connection, counts.deals_by(name, value))
        for name, value in wanted.items()
    }
    leader = min(numbers, key=lambda name: numbers[name], default="")
    count = (
        numbers.get(leader) if leader else counts.number_of(connection, (counts.COUNT_OF_DEALS, ""))
    )
    if count and len(wanted) > 1:
        count = _fitting(connection, wanted, leader, most)
    if not count or count <= part.skip:
        return Listed((), count or 0)
    asked = select(MARKET_DEALS_TABLE.c.document).order_by(*_IN_ORDER)
    asked = asked.where(*(_is(name, wanted[name], leads=name == leader) for name in wanted))
    rows = connection.scalars(asked.offset(part.skip).limit(min(part.size, count - part.skip)))
    return Listed(tuple(json.loads(document) for document in rows), count)


def _fitting(
    connection: Connection, wanted: Mapping[str, str | int], leader: str, most: int
) -> int:
    """Return how many of the newest deals with one thing have the others, too."""
    others = [MARKET_DEALS_TABLE.c[name] for name in wanted if name != leader]
    led = select(*others).where(MARKET_DEALS_TABLE.c[leader] == wanted[leader]).order_by(*_IN_ORDER)
    newest = led.limit(most).subquery()
    asked = select(func.count()).select_from(newest)
    fitting = asked.where(*(newest.c[each.name] == wanted[each.name] for each in others))
    return connection.scalar(fitting) or 0


def _is(name: str, value: str | int, *, leads: bool) -> ColumnElement[bool]:
    """Return a condition; of the others no index is tempted (``where``)."""
    column = MARKET_DEALS_TABLE.c[name]
    found: ColumnElement[bool] = column == value
    return found if leads else func.coalesce(column, 0 if isinstance(value, int) else "") == value


def find_deal(connection: Connection, deal_id: str) -> dict[str, Any] | None:
    """Return a deal's JSON."""
    found = connection.scalar(
        select(MARKET_DEALS_TABLE.c.document).where(MARKET_DEALS_TABLE.c.deal_id == deal_id)
    )
    return None if found is None else dict(json.loads(found))
