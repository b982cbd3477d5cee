"""Rows for what has settled, cursors, and who leads.

The cursor of deals stood in the journal, one record for each time it moved. Tasks that have settled
stay in the journal: the pool makes rows of them at its next start, as of any others.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OLD_CURSOR = "task/cursor"


def upgrade() -> None:
    """Make the tables, and take the cursor out of the journal."""
    _make_tables()
    journal = sa.table("journal", sa.column("n"), sa.column("s"), sa.column("e"))
    newest = sa.select(journal.c.e).where(journal.c.s == OLD_CURSOR).order_by(journal.c.n.desc())
    found = op.get_bind().scalar(newest.limit(1))
    if found is not None:
        cursors = sa.table("cursors", sa.column("name"), sa.column("value"))
        op.bulk_insert(cursors, [{"name": "task/deals", "value": int(json.loads(found)["block"])}])
        op.execute(journal.delete().where(journal.c.s == OLD_CURSOR))
    leader = sa.table(
        "leader", sa.column("id"), sa.column("epoch"), sa.column("holder"), sa.column("seen_at")
    )
    op.bulk_insert(leader, [{"id": 1, "epoch": 0, "holder": "", "seen_at": 0}])


def _make_tables() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "cursors",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "deals",
        sa.Column("deal_id", sa.Text, primary_key=True),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("app", sa.Text, nullable=False),
        sa.Column("final_deadline", sa.BigInteger, nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "tasks",
        sa.Column("n", number, primary_key=True, autoincrement=True),
        sa.Column("task_id", sa.Text, nullable=False, unique=True),
        sa.Column("deal_id", sa.Text, nullable=False, index=True),
        sa.Column("place", sa.BigInteger, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("final_deadline", sa.BigInteger, nullable=False, index=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Index("ix_tasks_status_n", "status", "n"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "attempts",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("worker", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_table(
        "transactions",
        sa.Column("task_id", sa.Text, primary_key=True),
        sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("tx", sa.Text, nullable=False),
        sa.Column("block", sa.BigInteger),
        sa.Column("gas", sa.BigInteger),
        sa.Column("gas_price", sa.Text),
    )
    op.create_table(
        "totals",
        sa.Column("status", sa.Text, primary_key=True),
        sa.Column("tasks", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "leader",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
    )
