"""How many open orders there are of each kind, counted as they come and go."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from poolhand.domain.market.book import Traits
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.kinds import kind_of
from poolhand.domain.market_events import OrderSort
from poolhand.store.market.schema import (
    KIND_COLUMNS,
    KIND_PARTIES,
    KINDS_TABLE,
    ORDERS_TABLE,
    TAG_PARTS,
)
from poolhand.store.market.where import hexed, in_kinds, tag_parts

MOST_KINDS_NAMED: Final = 200
"""Kinds that a question names; of more it asks which they are."""
_C: Final = KINDS_TABLE.c
_FIRST: Final = insert(KINDS_TABLE).returning(_C.id)
_ONE_MORE: Final = (
    update(KINDS_TABLE)
    .where(*(_C[name] == bindparam(f"its_{name}") for name in KIND_COLUMNS))
    .values(open_orders=_C.open_orders + bindparam("more"))
    .returning(_C.id)
)
"""Made once: most of what a publication costs is making what the database is asked."""


def enter(connection: Connection, traits: Traits, orders: int = 1) -> int:
    """Count orders that are open now, all with these traits; returns their kind's number."""
    members = _members(traits)
    mine = {f"its_{name}": value for name, value in members.items()}
    known: int | None = connection.scalar(_ONE_MORE, {**mine, "more": orders})
    if known is not None:
        return known
    return int(connection.execute(_FIRST, {**members, "open_orders": orders}).scalar_one())


def leave(connection: Connection, kind: int, orders: int = 1) -> None:
    """Count orders that are not open any more; a kind of none is forgotten."""
    mine = _C.id == kind
    connection.execute(update(KINDS_TABLE).where(mine).values(open_orders=_C.open_orders - orders))
    connection.execute(delete(KINDS_TABLE).where(mine, _C.open_orders <= 0))


def open_counts(connection: Connection) -> dict[OrderSort, int]:
    """Return how many orders of each sort are open."""
    asked = select(_C.sort, func.sum(_C.open_orders)).group_by(_C.sort)
    found = {str(sort): int(number) for sort, number in connection.execute(asked)}
    return {sort: found.get(sort.value, 0) for sort in OrderSort}


class ShownKinds:
    """The kinds that a filter shows.

    Attributes:
        orders: How many open orders they have together, however much remains of these.
    """

    def __init__(self, connection: Connection, wanted: BookFilter) -> None:
        self._wanted = wanted
        asked = select(_C.id, _C.open_orders).where(in_kinds(wanted)).limit(MOST_KINDS_NAMED + 1)
        rows = connection.execute(asked).all()
        self._names = [row.id for row in rows] if len(rows) <= MOST_KINDS_NAMED else None
        self.orders = sum(row.open_orders for row in rows)
        if self._names is None:
            total = select(func.sum(_C.open_orders)).where(in_kinds(wanted))
            self.orders = int(connection.scalar(total) or 0)

    def holds(self, *, leads: bool) -> ColumnElement[bool]:
        """Return the condition of their orders; ``leads``: the index of kinds is to be used."""
        column = ORDERS_TABLE.c.kind if leads else func.coalesce(ORDERS_TABLE.c.kind, 0)
        if self._names is None:
            return column.in_(select(_C.id).where(in_kinds(self._wanted)))
        if leads and len(self._names) == 1:
            found: ColumnElement[bool] = column == self._names[0]
            return found
        return column.in_(self._names)

    @property
    def are_many(self) -> bool:
        """Whether they are too many to be named."""
        return self._names is None

    @property
    def is_one(self) -> bool:
        """Whether all are of one kind, so that its index has them in the order of lists."""
        return self._names is not None and len(self._names) == 1


def _members(traits: Traits) -> dict[str, Any]:
    kind = kind_of(traits)
    parties = {name: getattr(kind, name) for name in KIND_PARTIES}
    return {
        "sort": kind.sort.value,
        **{name: "" if party is None else hexed(party) for name, party in parties.items()},
        "category": kind.category,
        "trust": kind.trust,
        **dict(zip(TAG_PARTS, tag_parts(kind.tag), strict=True)),
        "bulk": int(kind.is_bulk),
    }
