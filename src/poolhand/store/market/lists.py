"""Reading lists: a part of the rows that a filter shows, and how many it shows in all.

How many orders a filter shows is told by their kinds. Few are read by kind and sorted; of many the
index of all open orders is walked in the order of lists, and who is not of these kinds passed over.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, and_, bindparam, func, select

from poolhand.domain.ids import Address
from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.market.deals import MOST_PAST_PRICES, PricePoint
from poolhand.domain.market.filters import BookFilter, Slice, asks_by_kind
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.store.market.kinds import ShownKinds
from poolhand.store.market.schema import (
    CATEGORIES_TABLE,
    IN_LIST_ORDER,
    MARKET_DEALS_TABLE,
    ORDERS_TABLE,
)
from poolhand.store.market.where import of_orders, open_in, remaining

_ORDER: Final = ORDERS_TABLE.c
_LISTED: Final = (
    _ORDER.order_hash,
    _ORDER.signer,
    _ORDER.status,
    _ORDER.remaining,
    _ORDER.published,
    _ORDER.document,
)
_NAMED: Final = select(*_LISTED).where(
    _ORDER.sort == bindparam("its_sort"),
    _ORDER.order_hash.in_(bindparam("names", expanding=True)),
)
"""Orders by name, made once."""
FEW_TO_SORT: Final = 200
"""So many orders are sorted; in a longer list the next to be shown is never far."""
NEAR_IN_LIST: Final = 1000
"""So far down a list an order is rather asked itself than for its kind, if these are many."""
_MOST_NAMES: Final = 500
"""Names in one question: SQLite bounds them."""


@dataclass(frozen=True, slots=True)
class ListedOrder:
    """An order as lists tell it, its JSON as it was signed."""

    order_hash: str
    signer: str
    status: str
    remaining: int
    published: int
    document: dict[str, Any]

    @property
    def is_bulk(self) -> bool:
        """Whether it is a dataset order that bulks can use."""
        told = self.document
        return told.get("datasetprice") == 0 and told["volume"] >= BULK_VOLUME


@dataclass(frozen=True, slots=True)
class Listed:
    """A part of a list, and how many rows there are in all."""

    rows: tuple[Any, ...]
    count: int


def list_orders(connection: Connection, wanted: BookFilter, part: Slice) -> Listed:
    """Return open orders, best price first, then longest in the book, then by hash."""
    shown, count = _shown(connection, wanted, part)
    if count is None:
        count = _count(connection, shown)
    is_there = count > part.skip
    return Listed(_rows(connection, wanted.sort, shown, part) if is_there else (), count)


def best_price(connection: Connection, wanted: BookFilter) -> NanoRlc | None:
    """Return the price of the first of the open orders that a filter shows (nRLC)."""
    shown, count = _shown(connection, wanted, Slice(0, 1))
    if count == 0:
        return None
    asked = select(_ORDER.price).where(shown).order_by(*(_ORDER[name] for name in IN_LIST_ORDER))
    found = connection.scalar(asked.limit(1))
    return None if found is None else NanoRlc(found)


def pool_prices(connection: Connection, pool: Address) -> dict[int, NanoRlc]:
    """Return the lowest price (nRLC) of a workerpool's open orders, by category."""
    wanted = BookFilter(OrderSort.WORKERPOOL, {"workerpool": (pool,)})
    asked = select(_ORDER.category, func.min(_ORDER.price)).where(of_orders(wanted))
    rows = connection.execute(asked.group_by(_ORDER.category).order_by(_ORDER.category))
    return {category: NanoRlc(price) for category, price in rows}


def _shown(
    connection: Connection, wanted: BookFilter, part: Slice
) -> tuple[ColumnElement[bool], int | None]:
    """Return the condition by which a part of a list is best read, and how long the list is.

    Where that is None, the same condition tells it in few steps.
    """
    if not asks_by_kind(wanted):
        return of_orders(wanted), None
    kinds = ShownKinds(connection, wanted)
    by_kind = and_(open_in(wanted.sort), kinds.holds(leads=True), *remaining(wanted))
    count = kinds.orders
    if count and wanted.min_volume is not None:
        count = _count(connection, by_kind)
    if kinds.is_one or count <= FEW_TO_SORT:
        return by_kind, count
    by_tag = wanted.min_tag is not None or wanted.max_tag is not None  # kinds alone have it
    if kinds.are_many and not by_tag and part.skip + part.size <= NEAR_IN_LIST:
        return of_orders(wanted), count
    return and_(open_in(wanted.sort), kinds.holds(leads=False), *remaining(wanted)), count


def _rows(
    connection: Connection, sort: OrderSort, shown: ColumnElement[bool], part: Slice
) -> tuple[ListedOrder, ...]:
    """Read a part of a list: which orders, off an index alone, then these."""
    asked = select(_ORDER.order_hash).where(shown)
    asked = asked.order_by(*(_ORDER[name] for name in IN_LIST_ORDER))
    names = list(connection.scalars(_part(asked, part)))
    found: dict[str, ListedOrder] = {}
    for at in range(0, len(names), _MOST_NAMES):
        some = {"its_sort": sort.value, "names": names[at : at + _MOST_NAMES]}
        rows = connection.execute(_NAMED, some)
        found |= {row.order_hash: _listed(*row) for row in rows}
    return tuple(found[name] for name in names)


def _listed(
    name: str, signer: str, status: str, left: int, published: int, document: str
) -> ListedOrder:
    return ListedOrder(name, signer, status, left, published, json.loads(document))


def list_categories(
    connection: Connection, least: int | None, most: int | None, part: Slice
) -> Listed:
    """Return categories' JSON by reference time and number; both bounds are inclusive (seconds)."""
    conditions = []
    if least is not None:
        conditions.append(CATEGORIES_TABLE.c.time_ref >= least)
    if most is not None:
        conditions.append(CATEGORIES_TABLE.c.time_ref <= most)
    asked = select(CATEGORIES_TABLE.c.document).where(*conditions)
    asked = asked.order_by(CATEGORIES_TABLE.c.time_ref, CATEGORIES_TABLE.c.catid)
    rows = [json.loads(document) for (document,) in connection.execute(_part(asked, part))]
    return Listed(tuple(rows), _count(connection, *conditions, table=CATEGORIES_TABLE))


def find_category(connection: Connection, index: int) -> dict[str, Any] | None:
    """Return a category's JSON."""
    asked = select(CATEGORIES_TABLE.c.document).where(CATEGORIES_TABLE.c.catid == index)
    found = connection.scalar(asked)
    return None if found is None else dict(json.loads(found))


def price_history(connection: Connection, category: int) -> list[PricePoint]:
    """Return the newest deals of a category, newest block first, then lower price of the pool."""
    asked = (
        select(
            MARKET_DEALS_TABLE.c.moment, MARKET_DEALS_TABLE.c.price, MARKET_DEALS_TABLE.c.document
        )
        .where(MARKET_DEALS_TABLE.c.category == category)
        .order_by(MARKET_DEALS_TABLE.c.age, MARKET_DEALS_TABLE.c.price)
        .limit(MOST_PAST_PRICES)
    )
    return [
        PricePoint(UnixSeconds(moment), NanoRlc(price), json.loads(document)["volume"])
        for moment, price, document in connection.execute(asked)
    ]


def _part(asked: Select[Any], part: Slice) -> Select[Any]:
    return asked.offset(part.skip).limit(part.size)


def _count(
    connection: Connection, *conditions: ColumnElement[bool], table: Table = ORDERS_TABLE
) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
