"""Columns that the tables of every program's database are made of."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Column, Integer, Text, text

COUNTED_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts a primary key up only where it is a plain INTEGER."""


def counted(name: str = "n") -> Column[Any]:
    """Return a primary key that the database counts up."""
    return Column(name, COUNTED_NUMBER, primary_key=True, autoincrement=True)


def texts(*names: str) -> tuple[Column[Any], ...]:
    """Return columns of text that every row has."""
    return tuple(Column(name, Text, nullable=False) for name in names)


def numbers(*names: str) -> tuple[Column[Any], ...]:
    """Return columns of numbers that every row has."""
    return tuple(Column(name, BigInteger, nullable=False) for name in names)


def only_if(condition: str) -> dict[str, Any]:
    """Return the options of an index of only those rows for which a condition holds."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
