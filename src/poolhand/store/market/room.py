"""Orders that take room in the book: how many, counted as they come and go, and who goes first."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, bindparam, literal_column, select, text

from poolhand.domain.ids import OrderHash
from poolhand.domain.market.book import BookStatus
from poolhand.domain.market.room import Occupant, takes_room
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc
from poolhand.store.market import counts
from poolhand.store.market.schema import DEAD, OFFERS, ORDERS_TABLE
from poolhand.store.market.where import hexed

_C: Final = ORDERS_TABLE.c
_BUT: Final = _C.order_hash != bindparam("but")
_DEAD: Final = {
    sort: select(_C.order_hash, _C.published)
    .where(_C.sort == literal_column(f"'{sort.value}'"), text(DEAD), _BUT)
    .order_by(_C.published, _C.n)
    for sort in OrderSort
}
_LEAST_PAYING: Final = (
    select(_C.order_hash, _C.published, _C.offer)
    .where(text(OFFERS), _BUT)
    .order_by(_C.offer, _C.published, _C.n)
)
"""Made once, and written out: SQLite takes a partial index for no value that is bound."""


def taken(connection: Connection, sort: OrderSort) -> int:
    """Return how many orders of a sort take room."""
    return counts.number_of(connection, _of(sort))


def count(
    connection: Connection,
    sort: OrderSort,
    before: BookStatus | None,
    after: BookStatus | None,
    orders: int = 1,
) -> None:
    """Count orders that stand otherwise than before; None: they are not in the book."""
    by = takes_room(sort, after) - takes_room(sort, before)
    counts.change(connection, {_of(sort): by * orders})


def first_to_go(
    connection: Connection, sort: OrderSort, but: OrderHash, most: int
) -> list[Occupant]:
    """Return orders that give way first: dead ones, then open requests by what they offer.

    Args:
        connection: Of the transaction.
        sort: Of which collection.
        but: Not this one.
        most: How many.
    """
    name = {"but": hexed(but)}
    dead = connection.execute(_DEAD[sort].limit(most), name).all()
    found = [Occupant(OrderHash.parse(each.order_hash), None, each.published) for each in dead]
    if sort is not OrderSort.REQUEST or len(found) == most:
        return found
    least = connection.execute(_LEAST_PAYING.limit(most - len(found)), name).all()
    return found + [
        Occupant(OrderHash.parse(each.order_hash), NanoRlc(each.offer), each.published)
        for each in least
    ]


def _of(sort: OrderSort) -> counts.Counted:
    return "room", sort.value
