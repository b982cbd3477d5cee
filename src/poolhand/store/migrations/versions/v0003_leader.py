"""Where the leader is reached, and its signs of life, for those that stand by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add two columns."""
    op.add_column("leader", sa.Column("address", sa.Text, nullable=False, server_default=""))
    op.add_column("leader", sa.Column("beats", sa.BigInteger, nullable=False, server_default="0"))
