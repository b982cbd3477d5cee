"""A table of pools that are registered in the market."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    texts = ("owner", "name", "description", "url", "results_url", "trouble", "live")
    op.create_table(
        "pools",
        sa.Column("workerpool", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("registered", sa.BigInteger, nullable=False),
        sa.Column("asked", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger),
    )
    op.create_index("ix_pools_asked", "pools", ["asked"])
    op.create_index("ix_pools_seen", "pools", ["seen"])
