"""What a market's first page tells: the newest deals, and what each category costs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, select

from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.market.deals import PricePoint
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.store.market.lists import best_price
from poolhand.store.market.schema import CATEGORIES_TABLE, MARKET_DEALS_TABLE

MOST_CATEGORIES: Final = 32
"""Categories that are told; a hub's owner alone makes them."""
_ANYBODY: Final = dict.fromkeys(("app", "dataset", "requester"), (ZERO_ADDRESS,))


@dataclass(frozen=True, slots=True)
class CategoryPrices:
    """What a category costs: the cheapest pool's order that anybody can use, and the last deal.

    Attributes:
        category: Its JSON.
        best: Per task; None: no such order is open.
        last: None: nothing was bought yet.
    """

    category: dict[str, Any]
    best: NanoRlc | None
    last: PricePoint | None


def newest_deals(connection: Connection, most: int) -> list[dict[str, Any]]:
    """Return the JSON of the newest deals, newest block first."""
    asked = (
        select(MARKET_DEALS_TABLE.c.document)
        .order_by(MARKET_DEALS_TABLE.c.age, MARKET_DEALS_TABLE.c.deal_id)
        .limit(most)
    )
    return [json.loads(document) for (document,) in connection.execute(asked)]


def category_prices(connection: Connection) -> list[CategoryPrices]:
    """Return what categories cost, by number."""
    asked = select(CATEGORIES_TABLE.c.catid, CATEGORIES_TABLE.c.document)
    rows = connection.execute(asked.order_by(CATEGORIES_TABLE.c.catid).limit(MOST_CATEGORIES)).all()
    return [
        CategoryPrices(
            json.loads(document),
            best_price(connection, BookFilter(OrderSort.WORKERPOOL, _ANYBODY, category=index)),
            _last_price(connection, index),
        )
        for index, document in rows
    ]


def _last_price(connection: Connection, category: int) -> PricePoint | None:
    asked = select(
        MARKET_DEALS_TABLE.c.moment, MARKET_DEALS_TABLE.c.price, MARKET_DEALS_TABLE.c.document
    )
    asked = (
        asked.where(MARKET_DEALS_TABLE.c.category == category)
        .order_by(MARKET_DEALS_TABLE.c.age, MARKET_DEALS_TABLE.c.price)
        .limit(1)
    )
    found = connection.execute(asked).first()
    if found is None:
        return None
    moment, price, document = found
    return PricePoint(UnixSeconds(moment), NanoRlc(price), json.loads(document)["volume"])
