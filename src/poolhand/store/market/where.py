"""Filters of lists as SQL, such that one index leads and the list is read in its order.

A filter is asked of kinds where these tell all that it asks (``domain.market.kinds``), else of the
orders of one resource, signer or beneficiary. There an equality that an index has is a plain
comparison; every other condition is written so that no index is tempted by it (``coalesce``), for
both databases take a bad one where they know no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, func, literal_column

from poolhand.domain.ids import FixedBytes
from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.market.filters import OWN_PARTIES, BookFilter
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.store.market.schema import KIND_PARTIES, KINDS_TABLE, ORDERS_TABLE, TAG_PARTS

_C: Final = ORDERS_TABLE.c


def hexed(value: FixedBytes) -> str:
    """Write an id as the tables have it: lower case, without a checksum."""
    return "0x" + value.hex()


def beside_index(column: ColumnElement[str]) -> ColumnElement[str]:
    """Return a column's value such that no index is tempted by it: another condition leads."""
    return func.coalesce(column, "")


def tag_parts(tag: Tag) -> tuple[int, ...]:
    """Return a tag as four signed numbers, the highest bits first."""
    words = (tag[at : at + 8] for at in range(0, 32, 8))
    return tuple(int.from_bytes(word, "big", signed=True) for word in words)


def open_in(sort: OrderSort) -> ColumnElement[bool]:
    """Return the condition of open orders; written out, for SQLite's partial indexes."""
    found: ColumnElement[bool] = _C.open_in == literal_column(f"'{sort.value}'")
    return found


def in_kinds(wanted: BookFilter) -> ColumnElement[bool]:
    """Return the condition of kinds that a filter shows."""
    is_own = [
        KINDS_TABLE.c[name] == "" for name in OWN_PARTIES[wanted.sort] if name in KIND_PARTIES
    ]
    parties = [
        KINDS_TABLE.c[name].in_([hexed(each) for each in allowed])
        for name, allowed in wanted.parties.items()
    ]
    amounts = [] if wanted.category is None else [KINDS_TABLE.c.category == wanted.category]
    if wanted.bulk_only:
        amounts.append(KINDS_TABLE.c.bulk == 1)
    conditions = (
        *is_own,
        *parties,
        *amounts,
        *_of_tag(KINDS_TABLE, wanted),
        *_of_trust(KINDS_TABLE, wanted),
    )
    return and_(KINDS_TABLE.c.sort == wanted.sort.value, *conditions)


def of_orders(wanted: BookFilter) -> ColumnElement[bool]:
    """Return the condition of orders that a filter shows."""
    return and_(open_in(wanted.sort), *_conditions(wanted, _leader(wanted)))


def remaining(wanted: BookFilter) -> tuple[ColumnElement[bool], ...]:
    """Return the one condition that changes while an order is open."""
    return () if wanted.min_volume is None else (_C.remaining >= wanted.min_volume,)


def _leader(wanted: BookFilter) -> str | None:
    for name in OWN_PARTIES[wanted.sort]:
        if len(wanted.parties.get(name, ())) == 1:
            return name
    return None if wanted.signer is None else "signer"


def _conditions(wanted: BookFilter, leader: str | None) -> Iterator[ColumnElement[bool]]:
    for name, allowed in wanted.parties.items():
        column = "resource" if leader == name != "beneficiary" else name
        yield _is(column, [hexed(each) for each in allowed], leads=name == leader)
    if wanted.signer is not None:
        yield _is("signer", [hexed(wanted.signer)], leads=leader == "signer")
    if wanted.category is not None:
        yield _is("category", [wanted.category], leads=False)
    if wanted.bulk_only:
        free = and_(_C.price == 0, _C.volume >= BULK_VOLUME)
        yield and_(_C.sort == OrderSort.DATASET.value, free)
    yield from _of_tag(ORDERS_TABLE, wanted)
    yield from _of_trust(ORDERS_TABLE, wanted)
    yield from remaining(wanted)


def _is(name: str, values: list[Any], *, leads: bool) -> ColumnElement[bool]:
    if leads:
        found: ColumnElement[bool] = _C[name] == values[0]
        return found
    return func.coalesce(_C[name], "" if isinstance(values[0], str) else 0).in_(values)


def _of_tag(table: Table, wanted: BookFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.min_tag is not None:
        for name, part in zip(TAG_PARTS, tag_parts(wanted.min_tag), strict=True):
            if part:
                yield table.c[name].bitwise_and(part) == part
    if wanted.max_tag is not None:
        for name, part in zip(TAG_PARTS, tag_parts(wanted.max_tag), strict=True):
            if part != -1:
                yield table.c[name].bitwise_and(~part) == 0


def _of_trust(table: Table, wanted: BookFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.min_trust is not None:
        yield table.c.trust >= wanted.min_trust
    if wanted.max_trust is not None:
        yield table.c.trust <= wanted.max_trust
