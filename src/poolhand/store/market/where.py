"""Filters of lists as SQL, such that one index leads and the list is read in its order.

An equality that an index has is a plain comparison; every other condition is written so that no
index is tempted by it (``coalesce``), for both databases take a bad one where they know no numbers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, func

from poolhand.domain.ids import FixedBytes
from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.store.market.schema import ORDERS, TAG_PARTS

LEADING: Final = {
    OrderSort.APP: ("app",),
    OrderSort.DATASET: ("dataset",),
    OrderSort.WORKERPOOL: ("workerpool",),
    OrderSort.REQUEST: ("requester", "app", "dataset", "beneficiary"),
}
"""Parties that are worth an index where a list is narrowed to one of them."""
_C: Final = ORDERS.c


def hexed(value: FixedBytes) -> str:
    """Write an id as the tables have it: lower case, without a checksum."""
    return "0x" + value.hex()


def tag_parts(tag: Tag) -> tuple[int, ...]:
    """Return a tag as four signed numbers, the highest bits first."""
    words = (tag[at : at + 8] for at in range(0, 32, 8))
    return tuple(int.from_bytes(word, "big", signed=True) for word in words)


def where(wanted: BookFilter) -> ColumnElement[bool]:
    """Return the condition of a list."""
    leader = _leader(wanted)
    return and_(_C.open_in == wanted.sort.value, *_conditions(wanted, leader))


def _leader(wanted: BookFilter) -> str | None:
    for name in LEADING[wanted.sort]:
        if len(wanted.parties.get(name, ())) == 1:
            return name
    if wanted.signer is not None:
        return "signer"
    return None if wanted.category is None else "category"


def _conditions(wanted: BookFilter, leader: str | None) -> Iterator[ColumnElement[bool]]:
    for name, allowed in wanted.parties.items():
        yield _is(name, [hexed(each) for each in allowed], leader)
    if wanted.signer is not None:
        yield _is("signer", [hexed(wanted.signer)], leader)
    if wanted.category is not None:
        yield _is("category", [wanted.category], leader)
    yield from _tag_conditions(wanted)
    yield from _amount_conditions(wanted)


def _is(name: str, values: list[Any], leader: str | None) -> ColumnElement[bool]:
    if name == leader:
        found: ColumnElement[bool] = _C[name] == values[0]
        return found
    return func.coalesce(_C[name], "" if isinstance(values[0], str) else 0).in_(values)


def _tag_conditions(wanted: BookFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.min_tag is not None:
        for name, part in zip(TAG_PARTS, tag_parts(wanted.min_tag), strict=True):
            if part:
                yield _C[name].bitwise_and(part) == part
    if wanted.max_tag is not None:
        for name, part in zip(TAG_PARTS, tag_parts(wanted.max_tag), strict=True):
            if part != -1:
                yield _C[name].bitwise_and(~part) == 0


def _amount_conditions(wanted: BookFilter) -> Iterator[ColumnElement[bool]]:
    if wanted.min_volume is not None:
        yield _C.remaining >= wanted.min_volume
    if wanted.min_trust is not None:
        yield _C.trust >= wanted.min_trust
    if wanted.max_trust is not None:
        yield _C.trust <= wanted.max_trust
    if wanted.bulk_only:
        yield and_(_C.price == 0, _C.volume >= BULK_VOLUME)
