"""The tables of a market's database, as the newest migration leaves them.

An order is one row, whatever its sort: the columns that lists ask for have one name for all four
(``domain.market.book.Traits``), the order itself stands in ``document`` as it was signed. Addresses
and hashes are 0x-hexadecimal in lower case, so that they sort as their bytes do.

``open_in`` is the order's sort while it is open, else null, and ``kind`` its kind: the indexes of
lists begin with one or both and have price, moment and hash, as lists are shown. So a list is read
off an index in its order, and how long it is off ``kinds``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from poolhand.store.schema import LEADER

BOOK: Final = MetaData()
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts a primary key up only where it is a plain INTEGER."""
TAG_PARTS: Final = ("tag_0", "tag_1", "tag_2", "tag_3")
"""The 256 bits of a tag as four signed numbers of 64, the highest bits first."""
IN_LIST_ORDER: Final = ("rank", "published", "order_hash")
"""Best price first, then longest in the book, then by hash."""

OPEN_REQUEST: Final = "open_in = 'request'"
"""Which rows the indexes have that only requests are found by."""


def only_if(condition: str) -> dict[str, Any]:
    """Return the options of an index of only those rows for which a condition holds."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}


IDENTITY: Final = Table(
    "identity",
    BOOK,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    Column("hub", Text, nullable=False),
)
ORDERS: Final = Table(
    "orders",
    BOOK,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("sort", Text, nullable=False),
    Column("order_hash", Text, nullable=False),
    Column("open_in", Text),
    Column("kind", BigInteger),
    Column("status", Text, nullable=False),
    Column("signer", Text, nullable=False),
    Column("app", Text, nullable=False),
    Column("dataset", Text, nullable=False),
    Column("workerpool", Text, nullable=False),
    Column("requester", Text, nullable=False),
    Column("beneficiary", Text, nullable=False),
    Column("resource", Text, nullable=False, server_default=""),
    Column("rank", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("app_max_price", BigInteger, nullable=False),
    Column("dataset_max_price", BigInteger, nullable=False),
    Column("volume", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("category", BigInteger, nullable=False),
    Column("trust", BigInteger, nullable=False),
    *(Column(name, BigInteger, nullable=False) for name in TAG_PARTS),
    Column("published", BigInteger, nullable=False),
    Column("read_at", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
    UniqueConstraint("sort", "order_hash", name="uq_orders_sort_order_hash"),
    Index("ix_orders_all", "open_in", *IN_LIST_ORDER, "kind", "remaining"),
    Index("ix_orders_kind", "open_in", "kind", *IN_LIST_ORDER, "remaining"),
    Index("ix_orders_resource", "open_in", "resource", *IN_LIST_ORDER),
    Index("ix_orders_signer", "open_in", "signer", *IN_LIST_ORDER),
    Index("ix_orders_beneficiary", "beneficiary", *IN_LIST_ORDER, **only_if(OPEN_REQUEST)),
    Index("ix_orders_paying_app", "app", "app_max_price", **only_if(OPEN_REQUEST)),
    Index("ix_orders_paying_dataset", "dataset", "dataset_max_price", **only_if(OPEN_REQUEST)),
    Index("ix_orders_judged_at", "read_at", **only_if("open_in IS NOT NULL")),
    sqlite_autoincrement=True,
)
"""Orders; ``resource`` is what is sold, of a request its requester."""
KIND_PARTIES: Final = ("app", "dataset", "workerpool", "requester")
KIND: Final = ("sort", *KIND_PARTIES, "category", "trust", *TAG_PARTS, "bulk")
KINDS: Final = Table(
    "kinds",
    BOOK,
    Column("id", NUMBER, primary_key=True, autoincrement=True),
    Column("sort", Text, nullable=False),
    *(Column(name, Text, nullable=False) for name in KIND_PARTIES),
    *(
        Column(name, BigInteger, nullable=False)
        for name in ("category", "trust", *TAG_PARTS, "bulk", "open_orders")
    ),
    UniqueConstraint(*KIND, name="uq_kinds"),
    Index("ix_kinds_category", "sort", "category"),
    sqlite_autoincrement=True,
)
"""Kinds of open orders, and how many each has; a party that tells them apart is empty."""
PARTIES_OF_DEAL: Final = (
    "requester", "beneficiary",
    "app", "dataset", "workerpool",
    "app_owner", "dataset_owner", "workerpool_owner",
    "app_order", "dataset_order", "workerpool_order", "request_order",
)  # fmt: skip
"""Addresses and order hashes by which deals are listed."""
DEALS: Final = Table(
    "deals",
    BOOK,
    Column("deal_id", Text, primary_key=True),
    Column("block", BigInteger, nullable=False, index=True),
    Column("age", BigInteger, nullable=False),
    Column("moment", BigInteger, nullable=False),
    *(Column(name, Text, nullable=False) for name in PARTIES_OF_DEAL),
    Column("category", BigInteger, nullable=False),
    Column("price", BigInteger, nullable=False),
    Column("tx_hash", Text, nullable=False, server_default="", index=True),
    Column("document", Text, nullable=False),
    Index("ix_deals_age", "age", "deal_id"),
    Index("ix_deals_prices", "category", "age", "price"),
    *(Index(f"ix_deals_{name}", name, "age", "deal_id") for name in (*PARTIES_OF_DEAL, "category")),
)
"""Deals; ``age`` is the block's number below zero, so that the newest come first."""
COUNTS: Final = Table(
    "counts",
    BOOK,
    Column("list", Text, primary_key=True),
    Column("member", Text, primary_key=True),
    Column("number", BigInteger, nullable=False),
    Index("ix_counts_none", "number", **only_if("number <= 0")),
)
"""How many rows lists have that nobody counts anew; ``member`` is what they have in common."""
CATEGORIES: Final = Table(
    "categories",
    BOOK,
    Column("catid", BigInteger, primary_key=True, autoincrement=False),
    Column("block", BigInteger, nullable=False, index=True),
    Column("time_ref", BigInteger, nullable=False, index=True),
    Column("document", Text, nullable=False),
)
"""Categories by number; ``document`` is what the API answers, without ``ok``."""
POOLS: Final = Table(
    "pools",
    BOOK,
    Column("workerpool", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("url", Text, nullable=False),
    Column("results_url", Text, nullable=False),
    Column("registered", BigInteger, nullable=False),
    Column("asked", BigInteger, nullable=False, index=True),
    Column("seen", BigInteger, index=True),
    Column("trouble", Text, nullable=False),
    Column("live", Text, nullable=False),
)
"""Pools that are registered, and what they answered last."""
LEADS: Final = LEADER.to_metadata(BOOK)
"""Which market has the database, where it is a server's: as a pool's (``store.lead``)."""
MARKS: Final = Table(
    "marks",
    BOOK,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("block_hash", Text, nullable=False),
    Column("parent_hash", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
)
"""How far the chain was read: the newest row; older ones are where a fork may lead back to."""
UNDO: Final = Table(
    "undo",
    BOOK,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("block", BigInteger, nullable=False, index=True),
    Column("order_n", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""How an order stood before blocks changed it; ``block`` is the mark that ends these blocks."""
TASK_STEPS: Final = Table(
    "task_steps",
    BOOK,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("block", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("task_id", Text, nullable=False),
    Column("deal_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("tx_hash", Text, nullable=False),
    Column("party", Text),
    Column("result_hash", Text),
    Column("results", Text, nullable=False),
    Index("ix_task_steps_place", "block", "log_index"),
    Index("ix_task_steps_task", "task_id", "block", "log_index"),
    Index("ix_task_steps_deal", "deal_id", "kind"),
    Index("ix_task_steps_kind", "kind", "block", "log_index"),
    Index("ix_task_steps_tx", "tx_hash"),
    Index("ix_task_steps_party", "party", "kind", "block", "log_index"),
    sqlite_autoincrement=True,
)
"""What happened to tasks; ``results`` is hexadecimal."""
STAKE_STEPS: Final = Table(
    "stake_steps",
    BOOK,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("block", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("owner", Text, nullable=False),
    Column("change", Text, nullable=False),
    Column("amount", BigInteger, nullable=False),
    Column("task_id", Text),
    Column("moment", BigInteger, nullable=False),
    Column("tx_hash", Text, nullable=False),
    Index("ix_stake_steps_place", "block", "log_index"),
    Index("ix_stake_steps_owner", "owner", "block", "log_index"),
    Index("ix_stake_steps_task", "task_id", "block", "log_index"),
    sqlite_autoincrement=True,
)
"""What was paid and lost (nRLC)."""
ASSET_STEPS: Final = Table(
    "asset_steps",
    BOOK,
    Column("n", NUMBER, primary_key=True, autoincrement=True),
    Column("block", BigInteger, nullable=False),
    Column("log_index", BigInteger, nullable=False),
    Column("sort", Text, nullable=False),
    Column("asset", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("tx_hash", Text, nullable=False),
    Index("ix_asset_steps_place", "block", "log_index"),
    Index("ix_asset_steps_asset", "asset", "block", "log_index"),
    Index("ix_asset_steps_created", "sort", "source", "block", "log_index"),
    sqlite_autoincrement=True,
)
"""Who came to own which app, dataset or workerpool; ``source`` is zero where it was created."""
