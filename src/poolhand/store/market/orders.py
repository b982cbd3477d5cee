"""Rows of orders: each function works within the transaction of the connection it is given."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus, traits_of
from poolhand.domain.market.filters import FILTER_PARTIES
from poolhand.domain.market.losses import Loss
from poolhand.domain.market.room import offer_of
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import RequestOrder
from poolhand.domain.units import BlockNumber
from poolhand.store.market import kinds, room
from poolhand.store.market.schema import ORDERS_TABLE, TAG_PARTS, UNDO
from poolhand.store.market.where import hexed, open_in, tag_parts
from poolhand.wire.market_orders import market_order, read_market_order

_C: Final = ORDERS_TABLE.c
_IS_OPEN: Final = _C.open_in.is_not(None)
_NEW: Final = insert(ORDERS_TABLE)
_FIND: Final = select(ORDERS_TABLE).where(
    _C.sort == bindparam("its_sort"), _C.order_hash == bindparam("name")
)
_COUNT_OPEN: Final = {
    sort: select(func.count()).where(open_in(sort), _C.signer == bindparam("by"))
    for sort in OrderSort
}
"""What each publication asks, made once."""
DOUBTFUL: Final = 2**62
"""``read_at`` of an order that was judged on a block which is gone: to be judged anew."""
_MOST_NAMES: Final = 500
"""Names in one question: SQLite bounds them."""


@dataclass(frozen=True, slots=True)
class BookRow:
    """An order with its row's number."""

    n: int
    entry: BookOrder


def find(connection: Connection, sort: OrderSort, name: OrderHash) -> BookRow | None:
    """Return an order in any status."""
    row = (
        connection.execute(_FIND, {"its_sort": sort.value, "name": hexed(name)}).mappings().first()
    )
    return None if row is None else _row(row)


def by_hashes(connection: Connection, names: Iterable[OrderHash]) -> list[BookRow]:
    """Return the orders of some hashes."""
    sorts = _C.sort.in_([sort.value for sort in OrderSort])
    return _in_parts(connection, "order_hash", [hexed(name) for name in names], sorts)


def open_of_signers(connection: Connection, signers: Iterable[Address]) -> list[BookRow]:
    """Return open orders that lock stake: workerpool and request orders of some signers."""
    names = [hexed(signer) for signer in signers]
    sorts = (OrderSort.WORKERPOOL, OrderSort.REQUEST)
    return [row for sort in sorts for row in _in_parts(connection, "signer", names, open_in(sort))]


def open_of_resource(
    connection: Connection, sort: OrderSort, resource: Address, signer: Address
) -> list[BookRow]:
    """Return a signer's open orders for a resource, newest first."""
    asked = (
        select(ORDERS_TABLE)
        .where(open_in(sort), _C.signer == hexed(signer))
        .where(func.coalesce(_C.resource, "") == hexed(resource))
        .order_by(_C.published.desc(), _C.n.desc())
    )
    return [_row(row) for row in connection.execute(asked).mappings()]


def doubtful(connection: Connection, most: int) -> list[BookRow]:
    """Return open orders that are to be judged anew."""
    asked = select(ORDERS_TABLE).where(_IS_OPEN, _C.read_at == DOUBTFUL).limit(most)
    return [_row(row) for row in connection.execute(asked).mappings()]


def _in_parts(
    connection: Connection, column: str, names: Sequence[str], of: ColumnElement[bool]
) -> list[BookRow]:
    found = []
    for at in range(0, len(names), _MOST_NAMES):
        asked = select(ORDERS_TABLE).where(of, _C[column].in_(names[at : at + _MOST_NAMES]))
        found += [_row(row) for row in connection.execute(asked).mappings()]
    return found


def count_open(connection: Connection, sort: OrderSort, signer: Address) -> int:
    """Return how many open orders of a sort a signer has."""
    return connection.scalar(_COUNT_OPEN[sort], {"by": hexed(signer)}) or 0


def needing(connection: Connection, loss: Loss, most: int) -> list[BookRow]:
    """Return the next open requests that may have lost an order, by what they pay for the thing."""
    pays, name = _C[f"{loss.sort.value}_max_price"], _C.order_hash
    asked = select(ORDERS_TABLE).where(
        open_in(OrderSort.REQUEST), _C[loss.sort.value] == hexed(loss.resource), pays >= loss.least
    )
    if loss.below is not None:
        asked = asked.where(pays < loss.below)
    if loss.reached is not None:
        price, last = loss.reached
        asked = asked.where(tuple_(pays, name) > tuple_(literal(price), literal(hexed(last))))
    rows = connection.execute(asked.order_by(pays, name).limit(most)).mappings()
    return [_row(row) for row in rows]


def put(
    connection: Connection, entry: BookOrder, at: BlockNumber, known: BookRow | None = None
) -> None:
    """Put an order into the book; one that was dead takes its place again.

    Args:
        connection: Of the transaction.
        entry: The order.
        at: The block whose facts it was judged by.
        known: The row that it has, if it has one; it is not open.
    """
    room.count(connection, entry.sort, known.entry.status if known else None, entry.status)
    members = members_of(entry, at)
    if entry.status is BookStatus.OPEN:
        members["kind"] = kinds.enter(connection, traits_of(entry.order))
    if known is None:
        connection.execute(_NEW, members)
    else:
        connection.execute(update(ORDERS_TABLE).where(_C.n == known.n).values(members))


def remove(connection: Connection, sort: OrderSort, names: Collection[OrderHash]) -> None:
    """Take orders out of the book."""
    mine = (_C.sort == sort.value, _C.order_hash.in_([hexed(name) for name in names]))
    asked = select(_C.status, _C.kind, func.count()).where(*mine).group_by(_C.status, _C.kind)
    for status, kind, number in connection.execute(asked).all():
        room.count(connection, sort, BookStatus(status), None, number)
        if kind is not None:
            kinds.leave(connection, kind, number)
    connection.execute(delete(ORDERS_TABLE).where(*mine))


def change(connection: Connection, row: BookRow, after: BookOrder, mark: BlockNumber) -> None:
    """Write how an order stands after the blocks that end with ``mark``, and how it did before."""
    entry = row.entry
    undo = {"block": mark, "order_n": row.n, "status": entry.status, "remaining": entry.remaining}
    connection.execute(insert(UNDO).values(undo))
    restate(connection, row.n, after)


def restate(connection: Connection, n: int, entry: BookOrder) -> None:
    """Write how an order stands, and count it in or out where it opens or closes."""
    asked = select(_C.status, _C.kind).where(_C.n == n)
    before, kind = connection.execute(asked).one()
    room.count(connection, entry.sort, BookStatus(before), entry.status)
    is_open = entry.status is BookStatus.OPEN
    if is_open and kind is None:
        kind = kinds.enter(connection, traits_of(entry.order))
    elif not is_open and kind is not None:
        kinds.leave(connection, kind)
        kind = None
    standing = {
        "status": entry.status.value,
        "remaining": entry.remaining,
        "open_in": entry.sort.value if is_open else None,
        "kind": kind,
        "offer": offer_of(entry),
    }
    connection.execute(update(ORDERS_TABLE).where(_C.n == n).values(standing))


def settle_doubt(connection: Connection, n: int, at: BlockNumber) -> None:
    """Note that an order was judged by the facts of a block."""
    connection.execute(update(ORDERS_TABLE).where(_C.n == n).values(read_at=at))


def turn_back(connection: Connection, mark: BlockNumber, trusted: BlockNumber) -> list[BookRow]:
    """Undo what blocks after a mark did to orders; returns those that are open again.

    Orders that were judged by a block after ``trusted`` are doubtful from now on.
    """
    asked = select(UNDO).where(UNDO.c.block > mark).order_by(UNDO.c.n.desc())
    earliest = {row["order_n"]: row for row in connection.execute(asked).mappings()}
    restored = []
    for n, row in earliest.items():
        found = connection.execute(select(ORDERS_TABLE).where(_C.n == n)).mappings().first()
        if found is None:
            continue  # unpublished meanwhile
        status, left = BookStatus(row["status"]), row["remaining"]
        entry = replace(_row(found).entry, status=status, remaining=left)
        restate(connection, n, entry)
        restored += [BookRow(n, entry)] if status is BookStatus.OPEN else []
    connection.execute(delete(UNDO).where(UNDO.c.block > mark))
    judged_later = update(ORDERS_TABLE).where(_IS_OPEN, _C.read_at > trusted)
    connection.execute(judged_later.values(read_at=DOUBTFUL))
    return restored


def _row(row: RowMapping) -> BookRow:
    sort = OrderSort(row["sort"])
    order, sign = read_market_order(sort, json.loads(row["document"]))
    entry = BookOrder(
        OrderHash.parse(row["order_hash"]),
        order,
        sign,
        Address.parse(row["signer"]),
        BookStatus(row["status"]),
        row["remaining"],
        row["published"],
    )
    return BookRow(row["n"], entry)


def members_of(entry: BookOrder, at: BlockNumber) -> dict[str, Any]:
    """Return the columns of an order's row, but for its kind."""
    traits, order = traits_of(entry.order), entry.order
    request = order if isinstance(order, RequestOrder) else None
    is_open = entry.status is BookStatus.OPEN
    return {
        "sort": traits.sort.value,
        "order_hash": hexed(entry.order_hash),
        "open_in": traits.sort.value if is_open else None,
        "status": entry.status.value,
        "signer": hexed(entry.signer),
        **{name: hexed(getattr(traits, name)) for name in FILTER_PARTIES},
        "resource": hexed(traits.resource),
        "rank": traits.rank,
        "price": traits.price,
        "app_max_price": request.app_max_price if request else 0,
        "dataset_max_price": request.dataset_max_price if request else 0,
        "offer": offer_of(entry),
        "volume": traits.volume,
        "remaining": entry.remaining,
        "category": traits.category,
        "trust": traits.trust,
        **dict(zip(TAG_PARTS, tag_parts(traits.tag), strict=True)),
        "published": entry.published,
        "read_at": at,
        "document": json.dumps(market_order(traits.sort, order, entry.sign), ensure_ascii=False),
    }
