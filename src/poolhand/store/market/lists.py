"""Reading lists: a part of the rows that a filter shows, and how many it shows in all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select

from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.market.deals import MOST_PRICES, PricePoint
from poolhand.domain.market.filters import BookFilter, Slice
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.store.market.schema import CATEGORIES, DEALS, ORDERS
from poolhand.store.market.where import where

_ORDER: Final = ORDERS.c


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
    shown = where(wanted)
    asked = select(
        _ORDER.order_hash,
        _ORDER.signer,
        _ORDER.status,
        _ORDER.remaining,
        _ORDER.published,
        _ORDER.document,
    ).where(shown)
    asked = asked.order_by(_ORDER.rank, _ORDER.published, _ORDER.order_hash)
    rows = [
        ListedOrder(name, signer, status, remaining, published, json.loads(document))
        for name, signer, status, remaining, published, document in connection.execute(
            _part(asked, part)
        )
    ]
    return Listed(tuple(rows), _count(connection, ORDERS, shown))


def list_deals(connection: Connection, wanted: Mapping[str, str | int], part: Slice) -> Listed:
    """Return deals' JSON, newest block first, then by id; ``wanted`` is by column."""
    conditions = [DEALS.c[name] == value for name, value in wanted.items()]
    asked = select(DEALS.c.document).where(*conditions).order_by(DEALS.c.age, DEALS.c.deal_id)
    rows = [json.loads(document) for (document,) in connection.execute(_part(asked, part))]
    return Listed(tuple(rows), _count(connection, DEALS, *conditions))


def find_deal(connection: Connection, deal_id: str) -> dict[str, Any] | None:
    """Return a deal's JSON."""
    found = connection.scalar(select(DEALS.c.document).where(DEALS.c.deal_id == deal_id))
    return None if found is None else dict(json.loads(found))


def list_categories(
    connection: Connection, least: int | None, most: int | None, part: Slice
) -> Listed:
    """Return categories' JSON by reference time and number; both bounds are inclusive (seconds)."""
    conditions = []
    if least is not None:
        conditions.append(CATEGORIES.c.time_ref >= least)
    if most is not None:
        conditions.append(CATEGORIES.c.time_ref <= most)
    asked = select(CATEGORIES.c.document).where(*conditions)
    asked = asked.order_by(CATEGORIES.c.time_ref, CATEGORIES.c.catid)
    rows = [json.loads(document) for (document,) in connection.execute(_part(asked, part))]
    return Listed(tuple(rows), _count(connection, CATEGORIES, *conditions))


def find_category(connection: Connection, index: int) -> dict[str, Any] | None:
    """Return a category's JSON."""
    asked = select(CATEGORIES.c.document).where(CATEGORIES.c.catid == index)
    found = connection.scalar(asked)
    return None if found is None else dict(json.loads(found))


def price_history(connection: Connection, category: int) -> list[PricePoint]:
    """Return the newest deals of a category, newest block first, then lower price of the pool."""
    asked = (
        select(DEALS.c.moment, DEALS.c.price, DEALS.c.document)
        .where(DEALS.c.category == category)
        .order_by(DEALS.c.age, DEALS.c.price)
        .limit(MOST_PRICES)
    )
    return [
        PricePoint(UnixSeconds(moment), NanoRlc(price), json.loads(document)["volume"])
        for moment, price, document in connection.execute(asked)
    ]


def _part(asked: Select[Any], part: Slice) -> Select[Any]:
    return asked.offset(part.skip).limit(part.size)


def _count(connection: Connection, table: Table, *conditions: ColumnElement[bool]) -> int:
    return connection.scalar(select(func.count()).select_from(table).where(*conditions)) or 0
