"""Lengths of lists that were counted anew for each answer: of deals, assets and pools."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

DEALS_BY = (
    "requester", "beneficiary", "app", "dataset", "workerpool",
    "app_owner", "dataset_owner", "workerpool_owner",
    "app_order", "dataset_order", "workerpool_order", "request_order", "category",
)  # fmt: skip
ZERO = "0x" + "00" * 20


def upgrade() -> None:
    """Make the table, and fill it from the rows that are there; and who has the database."""
    op.create_table(
        "counts",
        sa.Column("list", sa.Text, primary_key=True),
        sa.Column("member", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, nullable=False),
    )
    none = sa.text("number <= 0")
    op.create_index(
        "ix_counts_none", "counts", ["number"], sqlite_where=none, postgresql_where=none
    )
    _fill("deals", "'deals'", "''")
    for name in DEALS_BY:
        _fill("deals", f"'deals.{name}'", f"CAST({name} AS TEXT)")
    _fill("asset_steps", "sort", "''", f"WHERE source = '{ZERO}'")
    _fill("pools", "'pools'", "''")
    _leader()


def _fill(table: str, each: str, member: str, only: str = "") -> None:
    """Count a table's rows; ``count`` of none is no row."""
    op.execute(
        f"INSERT INTO counts (list, member, number) SELECT {each}, {member}, count(*) "  # noqa: S608 - all ours
        f"FROM {table} {only} GROUP BY 1, 2 HAVING count(*) > 0"
    )


def _leader() -> None:
    op.create_table(
        "leader",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False, server_default=""),
        sa.Column("beats", sa.BigInteger, nullable=False, server_default="0"),
    )
