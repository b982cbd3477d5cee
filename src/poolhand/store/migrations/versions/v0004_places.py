"""Tasks of a deal by their index: a page of a large deal reads no more than it shows."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Let the index that finds the tasks of a deal have them in order."""
    op.create_index("ix_tasks_deal_place", "tasks", ["deal_id", "place"])
    op.drop_index("ix_tasks_deal_id", "tasks")
