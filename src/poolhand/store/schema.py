"""The tables of a pool's database, as the newest migration leaves them.

``journal`` holds what is open; the others hold what has settled, and how far the chain was read.
``state`` columns are JSON of the domain's own types (``wire.journal_json``); the columns beside it
are what is asked for.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, MetaData, Table, Text

from poolhand.store.columns import counted, numbers, texts

METADATA: Final = MetaData()

JOURNAL: Final = Table(
    "journal",
    METADATA,
    counted(),
    Column("v", Integer, nullable=False),
    Column("s", Text, nullable=False, index=True),
    *texts("e"),
    *numbers("c"),
    sqlite_autoincrement=True,
)
CURSORS: Final = Table(
    "cursors",
    METADATA,
    Column("name", Text, primary_key=True),
    *numbers("value"),
)
POOL_DEALS_TABLE: Final = Table(
    "deals",
    METADATA,
    Column("deal_id", Text, primary_key=True),
    *texts("requester", "app"),
    Column("final_deadline", BigInteger, nullable=False, index=True),
    *texts("state"),
)
TASKS: Final = Table(
    "tasks",
    METADATA,
    counted(),
    Column("task_id", Text, nullable=False, unique=True),
    *texts("deal_id"),
    *numbers("place"),
    *texts("status"),
    Column("ended", Boolean, nullable=False),
    Column("final_deadline", BigInteger, nullable=False, index=True),
    *texts("state"),
    Index("ix_tasks_status_n", "status", "n"),
    Index("ix_tasks_deal_place", "deal_id", "place"),
    sqlite_autoincrement=True,
)
ATTEMPTS: Final = Table(
    "attempts",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    *texts("worker", "status", "state"),
)
TRANSACTIONS: Final = Table(
    "transactions",
    METADATA,
    Column("task_id", Text, primary_key=True),
    Column("place", Integer, primary_key=True, autoincrement=False),
    *texts("kind", "tx"),
    Column("block", BigInteger),
    Column("gas", BigInteger),
    Column("gas_price", Text),
)
TOTALS: Final = Table(
    "totals",
    METADATA,
    Column("status", Text, primary_key=True),
    *numbers("tasks"),
)
LEADER: Final = Table(
    "leader",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    *numbers("epoch"),
    *texts("holder"),
    *numbers("seen_at"),
    Column("address", Text, nullable=False, server_default=""),
    Column("beats", BigInteger, nullable=False, server_default="0"),
)
"""One row: who leads, on a server that several pool processes share."""
