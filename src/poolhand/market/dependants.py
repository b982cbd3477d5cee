"""Requests that live on other orders: tried again when one of those leaves the book.

Only those are looked at that the order could have served and that no order for everybody serves:
each dies, or is held by an order for its pool, app or requester alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.market.book import BookOrder, traits_of
from poolhand.domain.market.filters import PARTIES, BookFilter
from poolhand.domain.market.following import died
from poolhand.domain.market.needs import TEE, check_needs
from poolhand.domain.market.refusals import MarketRule
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.units import BlockNumber
from poolhand.store.market import orders
from poolhand.store.market.database import BookConnection
from poolhand.store.market.lists import best_price
from poolhand.store.market.orders import BookRow


def lost(
    connection: BookConnection, gone: Iterable[BookOrder], mark: BlockNumber | None
) -> list[BookOrder]:
    """Let requests die that have lost what they need.

    Args:
        connection: Of the transaction.
        gone: Orders that were open and are not any more.
        mark: The end of the blocks that did it; None: a person did, which no fork undoes.

    Returns:
        The requests that died.
    """
    dead: list[BookOrder] = []
    for entry in gone:
        if entry.sort in (OrderSort.APP, OrderSort.DATASET):
            dead += _lost_one(connection, entry, mark)
    return dead


def _lost_one(
    connection: BookConnection, entry: BookOrder, mark: BlockNumber | None
) -> list[BookOrder]:
    traits = traits_of(entry.order)
    dead: list[BookOrder] = []
    for tee in (False, True):
        at_most = best_price(connection, _for_everybody(entry, tee=tee))
        prices = traits.price, at_most
        found = orders.needing(connection, entry.sort, traits.resource, prices, tee=tee)
        dead += still_served(connection, found, mark)
    return dead


def _for_everybody(entry: BookOrder, *, tee: bool) -> BookFilter:
    """Return the filter of orders for the same thing that any request can use."""
    own = entry.sort.value
    parties = {name: (ZERO_ADDRESS,) for name in PARTIES if name not in (own, "beneficiary")}
    parties[own] = (traits_of(entry.order).resource,)
    needs_tee = tee and entry.sort is OrderSort.APP
    return BookFilter(entry.sort, parties, min_tag=TEE if needs_tee else None)


def still_served(
    connection: BookConnection, requests: Iterable[BookRow], mark: BlockNumber | None
) -> list[BookOrder]:
    """Let those requests die that the book does not serve; returns them."""
    dead = []
    for row in requests:
        order = row.entry.order
        if isinstance(order, RequestOrder) and not _is_served(connection, order):
            after = died(row.entry)
            if mark is None:
                orders.restate(connection, row.n, after)
            else:
                orders.change(connection, row, after, mark)
            dead.append(after)
    return dead


def _is_served(connection: BookConnection, request: RequestOrder) -> bool:
    try:
        check_needs(request, partial(best_price, connection))
    except MarketRule:
        return False
    return True
