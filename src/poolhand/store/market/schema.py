"""The tables of a market's database, as the newest migration leaves them.

An order is one row, whatever its sort: the columns that lists ask for have one name for all four
(``domain.market.book.Traits``), the order itself stands in ``document`` as it was signed. Addresses
and hashes are 0x-hexadecimal in lower case, so that they sort as their bytes do.

``open_in`` is the order's sort while it is open, else null, and ``kind`` its kind: the indexes of
lists begin with one or both and have price, moment and hash, as lists are shown. So a list is read
off an index in its order, and how long it is off ``kinds``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from poolhand.store.columns import counted, numbers, only_if, texts
from poolhand.store.schema import LEADER

BOOK: Final = MetaData()
TAG_PARTS: Final = ("tag_0", "tag_1", "tag_2", "tag_3")
"""The 256 bits of a tag as four signed numbers of 64, the highest bits first."""
IN_LIST_ORDER: Final = ("rank", "published", "order_hash")
"""Best price first, then longest in the book, then by hash."""

OPEN_REQUEST: Final = "open_in = 'request'"
"""Which rows the indexes have that only requests are found by."""
DEAD: Final = "status = 'dead'"
OFFERS: Final = "offer IS NOT NULL"
"""Which rows the indexes have by which orders give way to new ones."""
_PAYING: Final = {name: (name, f"{name}_max_price", "order_hash") for name in ("app", "dataset")}
IDENTITY: Final = Table(
    "identity",
    BOOK,
    Column("chain_id", BigInteger, primary_key=True, autoincrement=False),
    *texts("hub"),
)
ORDERS_TABLE: Final = Table(
    "orders",
    BOOK,
    counted(),
    *texts("sort", "order_hash"),
    Column("open_in", Text),
    Column("kind", BigInteger),
    *texts("status", "signer", "app", "dataset", "workerpool", "requester", "beneficiary"),
    Column("resource", Text, nullable=False, server_default=""),
    *numbers(
        "rank",
        "price",
        "app_max_price",
        "dataset_max_price",
        "volume",
        "remaining",
        "category",
        "trust",
        *TAG_PARTS,
        "published",
        "read_at",
    ),
    Column("offer", BigInteger),
    *texts("document"),
    UniqueConstraint("sort", "order_hash", name="uq_orders_sort_order_hash"),
    Index("ix_orders_all", "open_in", *IN_LIST_ORDER, "kind", "remaining"),
    Index("ix_orders_kind", "open_in", "kind", *IN_LIST_ORDER, "remaining"),
    Index("ix_orders_resource", "open_in", "resource", *IN_LIST_ORDER),
    Index("ix_orders_signer", "open_in", "signer", *IN_LIST_ORDER),
    Index("ix_orders_beneficiary", "beneficiary", *IN_LIST_ORDER, **only_if(OPEN_REQUEST)),
    Index("ix_orders_paying_app", *_PAYING["app"], **only_if(OPEN_REQUEST)),
    Index("ix_orders_paying_dataset", *_PAYING["dataset"], **only_if(OPEN_REQUEST)),
    Index("ix_orders_dead", "sort", "published", "n", **only_if(DEAD)),
    Index("ix_orders_offer", "offer", "published", "n", **only_if(OFFERS)),
    Index("ix_orders_judged_at", "read_at", **only_if("open_in IS NOT NULL")),
    sqlite_autoincrement=True,
)
"""Orders; ``resource`` is what is sold, of a request its requester.

``offer`` is what an open request pays for a task in all, else null: a condition that no list asks,
so that none is tempted by its index.
"""
KIND_PARTIES: Final = ("app", "dataset", "workerpool", "requester")
KIND_COLUMNS: Final = ("sort", *KIND_PARTIES, "category", "trust", *TAG_PARTS, "bulk")
KINDS_TABLE: Final = Table(
    "kinds",
    BOOK,
    counted("id"),
    *texts("sort", *KIND_PARTIES),
    *numbers("category", "trust", *TAG_PARTS, "bulk", "open_orders"),
    UniqueConstraint(*KIND_COLUMNS, name="uq_kinds"),
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
MARKET_DEALS_TABLE: Final = Table(
    "deals",
    BOOK,
    Column("deal_id", Text, primary_key=True),
    Column("block", BigInteger, nullable=False, index=True),
    *numbers("age", "moment"),
    *texts(*PARTIES_OF_DEAL),
    *numbers("category", "price"),
    Column("tx_hash", Text, nullable=False, server_default="", index=True),
    *texts("document"),
    Index("ix_deals_age", "age", "deal_id"),
    Index("ix_deals_prices", "category", "age", "price"),
    *(Index(f"ix_deals_{name}", name, "age", "deal_id") for name in (*PARTIES_OF_DEAL, "category")),
)
"""Deals; ``age`` is the block's number below zero, so that the newest come first."""
COUNTS_TABLE: Final = Table(
    "counts",
    BOOK,
    Column("list", Text, primary_key=True),
    Column("member", Text, primary_key=True),
    *numbers("number"),
    Index("ix_counts_none", "number", **only_if("number <= 0")),
)
"""How many rows lists have that nobody counts anew; ``member`` is what they have in common."""
CATEGORIES_TABLE: Final = Table(
    "categories",
    BOOK,
    Column("catid", BigInteger, primary_key=True, autoincrement=False),
    Column("block", BigInteger, nullable=False, index=True),
    Column("time_ref", BigInteger, nullable=False, index=True),
    *texts("document"),
)
"""Categories by number; ``document`` is what the API answers, without ``ok``."""
POOLS_TABLE: Final = Table(
    "pools",
    BOOK,
    Column("workerpool", Text, primary_key=True),
    *texts("owner", "name", "description", "url", "results_url"),
    *numbers("registered"),
    Column("asked", BigInteger, nullable=False, index=True),
    Column("seen", BigInteger, index=True),
    *texts("trouble", "live"),
)
"""Pools that are registered, and what they answered last."""
MARKET_LEADER_TABLE: Final = LEADER.to_metadata(BOOK)
"""Which market has the database, where it is a server's: as a pool's (``store.lead``)."""
MARKS_TABLE: Final = Table(
    "marks",
    BOOK,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    *texts("block_hash", "parent_hash"),
    *numbers("moment"),
)
"""How far the chain was read: the newest row; older ones are where a fork may lead back to."""
UNDO: Final = Table(
    "undo",
    BOOK,
    counted(),
    Column("block", BigInteger, nullable=False, index=True),
    *numbers("order_n"),
    *texts("status"),
    *numbers("remaining"),
    sqlite_autoincrement=True,
)
"""How an order stood before blocks changed it; ``block`` is the mark that ends these blocks."""
LOSSES: Final = Table(
    "losses",
    BOOK,
    counted(),
    *texts("sort", "resource"),
    *numbers("least"),
    Column("below", BigInteger),
    Column("reached_price", BigInteger),
    Column("reached_hash", Text),
    *numbers("again"),
    UniqueConstraint("sort", "resource", name="uq_losses"),
    sqlite_autoincrement=True,
)
"""Apps and datasets whose requests are to be looked at (``domain.market.losses``), in turn."""
TASK_STEPS: Final = Table(
    "task_steps",
    BOOK,
    counted(),
    *numbers("block", "log_index"),
    *texts("task_id", "deal_id", "kind"),
    *numbers("moment"),
    *texts("tx_hash"),
    Column("party", Text),
    Column("result_hash", Text),
    *texts("results"),
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
    counted(),
    *numbers("block", "log_index"),
    *texts("owner", "change"),
    *numbers("amount"),
    Column("task_id", Text),
    *numbers("moment"),
    *texts("tx_hash"),
    Index("ix_stake_steps_place", "block", "log_index"),
    Index("ix_stake_steps_owner", "owner", "block", "log_index"),
    Index("ix_stake_steps_task", "task_id", "block", "log_index"),
    sqlite_autoincrement=True,
)
"""What was paid and lost (nRLC)."""
ASSET_STEPS: Final = Table(
    "asset_steps",
    BOOK,
    counted(),
    *numbers("block", "log_index"),
    *texts("sort", "asset", "source", "owner", "tx_hash"),
    Index("ix_asset_steps_place", "block", "log_index"),
    Index("ix_asset_steps_asset", "asset", "block", "log_index"),
    Index("ix_asset_steps_created", "sort", "source", "block", "log_index"),
    sqlite_autoincrement=True,
)
"""Who came to own which app, dataset or workerpool; ``source`` is zero where it was created."""
