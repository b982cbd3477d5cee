"""How many rows lists have, counted as they come and go: deals by what they have, assets, pools."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from sqlalchemy import Connection, delete, select, text

from poolhand.store.market.schema import COUNTS_TABLE, PARTIES_OF_DEAL

Counted: TypeAlias = tuple[str, str]
"""A list, and what its rows have in common; nothing: the whole list."""
COUNT_OF_DEALS: Final = "deals"
COUNT_OF_POOLS: Final = "pools"
DEALS_COUNTED_BY: Final = (*PARTIES_OF_DEAL, "category")
"""Columns by which deals are counted."""
_C: Final = COUNTS_TABLE.c
_CHANGE: Final = text(
    "INSERT INTO counts (list, member, number) VALUES (:list, :member, :number) "
    "ON CONFLICT (list, member) DO UPDATE SET number = counts.number + excluded.number"
)


def of_deals(deals: Iterable[Mapping[Any, Any]], by: int = 1) -> Counter[Counted]:
    """Return how the counts change as deals come; with -1, as they go."""
    return Counter({each: by * n for each, n in Counter(_lists_of(deals)).items()})


def _lists_of(deals: Iterable[Mapping[Any, Any]]) -> Iterator[Counted]:
    for deal in deals:
        yield COUNT_OF_DEALS, ""
        yield from (deals_by(name, deal[name]) for name in DEALS_COUNTED_BY)


def deals_by(column: str, value: str | int) -> Counted:
    """Return what deals are counted under that have a value in a column."""
    return f"{COUNT_OF_DEALS}.{column}", str(value)


def change(connection: Connection, changes: Mapping[Counted, int]) -> None:
    """Count rows in and out; what none is left of is forgotten."""
    rows: list[dict[str, Any]] = [
        {"list": each, "member": member, "number": number}
        for (each, member), number in changes.items()
        if number
    ]
    if rows:
        connection.execute(_CHANGE, rows)
    if any(row["number"] < 0 for row in rows):
        connection.execute(delete(COUNTS_TABLE).where(_C.number <= 0))


def number_of(connection: Connection, counted: Counted) -> int:
    """Return how many rows there are."""
    each, member = counted
    asked = select(_C.number).where(_C.list == each, _C.member == member)
    return connection.scalar(asked) or 0
