"""The journal alone, as Poolhand had it before there were migrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the table, unless a pool made it before there were migrations."""
    if sa.inspect(op.get_bind()).has_table("journal"):
        return
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "journal",
        sa.Column("n", number, primary_key=True, autoincrement=True),
        sa.Column("v", sa.Integer, nullable=False),
        sa.Column("s", sa.Text, nullable=False, index=True),
        sa.Column("e", sa.Text, nullable=False),
        sa.Column("c", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
