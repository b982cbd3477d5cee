"""Requests that may have lost an order are looked at in pages: what is left of it, and an index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the table, and the indexes by which pages are read off."""
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "losses",
        sa.Column("n", number, primary_key=True, autoincrement=True),
        sa.Column("sort", sa.Text, nullable=False),
        sa.Column("resource", sa.Text, nullable=False),
        sa.Column("least", sa.BigInteger, nullable=False),
        sa.Column("below", sa.BigInteger),
        sa.Column("reached_price", sa.BigInteger),
        sa.Column("reached_hash", sa.Text),
        sa.Column("again", sa.BigInteger, nullable=False),
        sa.UniqueConstraint("sort", "resource", name="uq_losses"),
        sqlite_autoincrement=True,
    )
    only = sa.text("open_in = 'request'")
    for name in ("app", "dataset"):
        index, columns = f"ix_orders_paying_{name}", [name, f"{name}_max_price", "order_hash"]
        op.drop_index(index, "orders")
        op.create_index(index, "orders", columns, sqlite_where=only, postgresql_where=only)
