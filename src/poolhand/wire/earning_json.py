"""Earning books as JSON objects, and back: in a worker's file, in a pool's journal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from poolhand.domain.earning_book import DayTotal, EarningBook, KeptEarnings, TaskTotal
from poolhand.domain.ids import BlockHash, TaskId
from poolhand.domain.units import BlockNumber, UnixSeconds


def show_kept(kept: KeptEarnings) -> dict[str, Any]:
    """Write a book (nRLC, wei; days by their midnight, Unix seconds)."""
    book = kept.book
    return {
        "first": book.first,
        "last": book.last,
        "last_hash": str(kept.last_hash),
        "since": book.since,
        "wanted": book.wanted,
        "older": asdict(book.older),
        "days": {str(day): asdict(row) for day, row in book.days.items()},
        "tasks": {str(name): asdict(row) for name, row in book.tasks.items()},
    }


def read_kept(told: Mapping[str, Any]) -> KeptEarnings:
    """Read a book.

    Raises:
        ValueError, KeyError, TypeError, AttributeError, BadHex: It is none.
    """
    days = {UnixSeconds(int(day)): DayTotal(**_ints(row)) for day, row in told["days"].items()}
    tasks = {TaskId.parse(name): TaskTotal(**_ints(row)) for name, row in told["tasks"].items()}
    first, last = BlockNumber(int(told["first"])), BlockNumber(int(told["last"]))
    since = None if told["since"] is None else UnixSeconds(int(told["since"]))
    older = DayTotal(**_ints(told.get("older", {})))
    wanted = BlockNumber(int(told["wanted"]))
    book = EarningBook(first, last, days, tasks, since, wanted, older)
    return KeptEarnings(book, BlockHash.parse(told["last_hash"]))


def _ints(row: Mapping[str, Any]) -> dict[str, Any]:
    if not all(type(value) is int for value in row.values()):
        raise ValueError("an amount is no whole number")
    return dict(row)
