"""Requests that live on other orders: tried again when one of those leaves the book.

Where an order as wide as the lost one is as cheap, nobody is looked at; where it was for one buyer,
only that one's requests are. Else those that pay what may have been lost are, a page at a time, the
first at once and others soon (``market.loss_rounds``): each dies, or is held by an order for its
pool, app or requester alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.market.book import BookOrder, traits_of
from poolhand.domain.market.filters import FILTER_PARTIES, BookFilter, usable_by
from poolhand.domain.market.following import died
from poolhand.domain.market.losses import Loss, Reached, reached
from poolhand.domain.market.needs import TEE, check_needs
from poolhand.domain.market.refusals import MarketRule
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.units import BlockNumber
from poolhand.store.market import following, losses, orders
from poolhand.store.market.database import BookConnection
from poolhand.store.market.lists import best_price
from poolhand.store.market.orders import BookRow

DEPENDANTS_AT_ONCE: Final = 100
"""Requests looked at in one transaction for one app or dataset: some tens of milliseconds."""


def lost(
    connection: BookConnection, gone: Iterable[BookOrder], mark: BlockNumber | None
) -> list[BookOrder]:
    """Let requests die that have lost what they need; of many the first ones.

    Args:
        connection: Of the transaction.
        gone: Orders that were open and are not any more.
        mark: The end of the blocks that did it; None: a person did, which no fork undoes.

    Returns:
        The requests that died.
    """
    dead: list[BookOrder] = []
    found: dict[tuple[OrderSort, Address], Loss] = {}
    for entry in gone:
        if entry.sort not in (OrderSort.APP, OrderSort.DATASET):
            continue
        if (loss := _loss_of(connection, entry)) is None:
            continue
        if (buyer := traits_of(entry.order).requester).is_zero:
            found[loss.sort, loss.resource] = losses.add(connection, loss)
        else:
            own = orders.open_of_resource(connection, OrderSort.REQUEST, buyer, buyer)
            dead += still_served(connection, own, mark)
    for loss in found.values():
        dead += _look_at(connection, loss, mark)
    return dead


def look_on(connection: BookConnection) -> bool:
    """Look at one more page of requests that may have lost an order; whether there was one."""
    if (loss := losses.next_one(connection)) is None:
        return False
    _look_at(connection, loss, following.newest_mark(connection))
    return True


def _loss_of(connection: BookConnection, entry: BookOrder) -> Loss | None:
    """Return which requests an order may have served alone; None: an order as wide serves all."""
    traits = traits_of(entry.order)
    at_most = best_price(connection, _as_wide(entry))
    if at_most is not None and at_most <= traits.price:
        return None
    return Loss(entry.sort, traits.resource, traits.price, at_most)


def _as_wide(entry: BookOrder) -> BookFilter:
    """Return the filter of orders for the same thing that serve whomever this one served."""
    own, traits = entry.sort.value, traits_of(entry.order)
    limits = [name for name in FILTER_PARTIES if name not in (own, "beneficiary")]
    parties = {name: usable_by(getattr(traits, name)) for name in limits}
    parties[own] = (traits.resource,)
    is_tee = entry.sort is OrderSort.APP and traits.tag.needs_tee
    return BookFilter(entry.sort, parties, min_tag=TEE if is_tee else None)


def _look_at(connection: BookConnection, loss: Loss, mark: BlockNumber | None) -> list[BookOrder]:
    """Look at the next page of a loss, and note how far that is; returns the requests that died."""
    page = orders.needing(connection, loss, DEPENDANTS_AT_ONCE)
    last = _reached(page[-1], loss.sort) if len(page) == DEPENDANTS_AT_ONCE else None
    if (left := loss.looked_at(last)) is None:
        losses.forget(connection, loss)
    else:
        losses.put(connection, left)
    return still_served(connection, page, mark)


def _reached(row: BookRow, sort: OrderSort) -> Reached:
    assert isinstance(row.entry.order, RequestOrder)
    return reached(row.entry.order, sort, row.entry.order_hash)


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
