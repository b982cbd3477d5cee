"""What happened to tasks and assets, what was paid and lost, and the transactions of deals."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables; they are filled from the blocks that come."""
    _task_steps()
    _stake_steps()
    _asset_steps()
    _transactions_of_deals()


def _place() -> list[sa.Column[int]]:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return [
        sa.Column("n", number, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("block", "log_index")),
    ]


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _task_steps() -> None:
    op.create_table(
        "task_steps",
        *_place(),
        *_text("task_id", "deal_id", "kind"),
        sa.Column("moment", sa.BigInteger, nullable=False),
        *_text("tx_hash"),
        sa.Column("party", sa.Text),
        sa.Column("result_hash", sa.Text),
        *_text("results"),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("place", ["block", "log_index"]),
        ("task", ["task_id", "block", "log_index"]),
        ("deal", ["deal_id", "kind"]),
        ("kind", ["kind", "block", "log_index"]),
        ("tx", ["tx_hash"]),
        ("party", ["party", "kind", "block", "log_index"]),
    ):
        op.create_index(f"ix_task_steps_{name}", "task_steps", columns)


def _stake_steps() -> None:
    op.create_table(
        "stake_steps",
        *_place(),
        *_text("owner", "change"),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.Column("task_id", sa.Text),
        sa.Column("moment", sa.BigInteger, nullable=False),
        *_text("tx_hash"),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("place", ["block", "log_index"]),
        ("owner", ["owner", "block", "log_index"]),
        ("task", ["task_id", "block", "log_index"]),
    ):
        op.create_index(f"ix_stake_steps_{name}", "stake_steps", columns)


def _asset_steps() -> None:
    op.create_table(
        "asset_steps",
        *_place(),
        *_text("sort", "asset", "source", "owner", "tx_hash"),
        sqlite_autoincrement=True,
    )
    for name, columns in (
        ("place", ["block", "log_index"]),
        ("asset", ["asset", "block", "log_index"]),
        ("created", ["sort", "source", "block", "log_index"]),
    ):
        op.create_index(f"ix_asset_steps_{name}", "asset_steps", columns)


def _transactions_of_deals() -> None:
    column = sa.Column("tx_hash", sa.Text, nullable=False, server_default="")
    op.add_column("deals", column)
    deals = sa.table("deals", *(sa.column(name) for name in ("deal_id", "tx_hash", "document")))
    connection = op.get_bind()
    for name, document in connection.execute(sa.select(deals.c.deal_id, deals.c.document)).all():
        named = json.loads(document)["transactionHash"]
        connection.execute(deals.update().where(deals.c.deal_id == name).values(tx_hash=named))
    op.create_index("ix_deals_tx_hash", "deals", ["tx_hash"])
