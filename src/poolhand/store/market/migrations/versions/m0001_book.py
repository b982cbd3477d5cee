"""The tables of the first market."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

LISTED_BY = ("app", "dataset", "workerpool", "requester", "beneficiary", "signer", "category")
PARTIES = (
    "requester", "beneficiary",
    "app", "dataset", "workerpool",
    "app_owner", "dataset_owner", "workerpool_owner",
    "app_order", "dataset_order", "workerpool_order", "request_order",
)  # fmt: skip
IN_LIST_ORDER = ("rank", "published", "order_hash")


def upgrade() -> None:
    """Make every table."""
    _orders()
    _deals()
    _chain()


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _big(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("n", _number(), primary_key=True, autoincrement=True),
        *_text("sort", "order_hash"),
        sa.Column("open_in", sa.Text),
        *_text("status", "signer", "app", "dataset", "workerpool", "requester", "beneficiary"),
        *_big("rank", "price", "app_max_price", "dataset_max_price", "volume", "remaining"),
        *_big("category", "trust", "tag_0", "tag_1", "tag_2", "tag_3", "published", "read_at"),
        *_text("document"),
        sa.UniqueConstraint("sort", "order_hash", name="uq_orders_sort_order_hash"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_orders_open", "orders", ["open_in", *IN_LIST_ORDER])
    for name in LISTED_BY:
        op.create_index(f"ix_orders_open_{name}", "orders", ["open_in", name, *IN_LIST_ORDER])
    for name in ("app", "dataset"):
        columns = ["open_in", name, f"{name}_max_price"]
        op.create_index(f"ix_orders_paying_{name}", "orders", columns)
    op.create_index("ix_orders_hash", "orders", ["order_hash"])
    op.create_index("ix_orders_read_at", "orders", ["open_in", "read_at"])


def _deals() -> None:
    op.create_table(
        "deals",
        sa.Column("deal_id", sa.Text, primary_key=True),
        *_big("block", "age", "moment"),
        *_text(*PARTIES),
        *_big("category", "price"),
        *_text("document"),
    )
    op.create_index("ix_deals_block", "deals", ["block"])
    op.create_index("ix_deals_age", "deals", ["age", "deal_id"])
    op.create_index("ix_deals_prices", "deals", ["category", "age", "price"])
    for name in (*PARTIES, "category"):
        op.create_index(f"ix_deals_{name}", "deals", [name, "age", "deal_id"])


def _chain() -> None:
    op.create_table(
        "identity",
        sa.Column("chain_id", sa.BigInteger, primary_key=True, autoincrement=False),
        *_text("hub"),
    )
    op.create_table(
        "categories",
        sa.Column("catid", sa.BigInteger, primary_key=True, autoincrement=False),
        *_big("block", "time_ref"),
        *_text("document"),
    )
    op.create_index("ix_categories_block", "categories", ["block"])
    op.create_index("ix_categories_time_ref", "categories", ["time_ref"])
    op.create_table(
        "marks",
        sa.Column("block", sa.BigInteger, primary_key=True, autoincrement=False),
        *_text("block_hash", "parent_hash"),
        *_big("moment"),
    )
    op.create_table(
        "undo",
        sa.Column("n", _number(), primary_key=True, autoincrement=True),
        *_big("block", "order_n"),
        *_text("status"),
        *_big("remaining"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_undo_block", "undo", ["block"])
