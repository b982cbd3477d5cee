"""The tables of a pool's database, as the newest migration leaves them.

``journal`` holds what is open; the others hold what has settled, and how far the chain was read.
``state`` columns are JSON of the domain's own types (``wire.journal_json``); the columns beside it
are what is asked for.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

METADATA: Final = MetaData()
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts a primary key up only where it is a plain INTEGER."""

JOURNAL: Final = Table(
    "journal",
    METADATA,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("v", Integer, nullable=False),
    Column("s", Text, nullable=False, index=True),
    Column("e", Text, nullable=False),
    Column("c", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
CURSORS: Final = Table(
    "cursors",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
DEALS: Final = Table(
    "deals",
    METADATA,
    Column("deal_id", Text, primary_key=True),
    Column("requester", Text, nullable=False),
    Column("app", Text, nullable=False),
    Column("final_deadline", BigInteger, nullable=False, index=True),
    Column("state", Text, nullable=False),
)
TASKS: Final = Table(
    "tasks",
    METADATA,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("task_id", Text, nullable=False, unique=True),
    Column("deal_id", Text, nullable=False, index=True),
    Column("place", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("ended", Boolean, nullable=False),
    Column("final_deadline", BigInteger, nullable=False, index=True),
    Column("state", Text, nullable=False),
    Index("ix_tasks_status_n", "status", "n"),
    sqlite_autoincrement=True,
)
ATTEMPTS: Final = Table(
    "attempts",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("worker", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("state", Text, nullable=False),
)
TRANSACTIONS: Final = Table(
    "transactions",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("tx", Text, nullable=False),
    Column("block", BigInteger),
    Column("gas", BigInteger),
    Column("gas_price", Text),
)
TOTALS: Final = Table(
    "totals",
    METADATA,
    Column("status", Text, primary_key=True),
    Column("tasks", BigInteger, nullable=False),
)
LEADER: Final = Table(
    "leader",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("epoch", BigInteger, nullable=False),
    Column("holder", Text, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("address", Text, nullable=False, server_default=""),
    Column("beats", BigInteger, nullable=False, server_default="0"),
)
"""One row: who leads, on a server that several pool processes share."""
