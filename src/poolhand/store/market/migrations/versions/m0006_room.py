"""The book's room: what requests offer, indexes by which orders give way, and how many take it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Add the column, fill it, make the indexes, and count."""
    op.add_column("orders", sa.Column("offer", sa.BigInteger))
    op.execute(
        "UPDATE orders SET offer = app_max_price + dataset_max_price + price "
        "WHERE open_in = 'request'"
    )
    _index("dead", ["sort", "published", "n"], "status = 'dead'")
    _index("offer", ["offer", "published", "n"], "offer IS NOT NULL")
    op.execute(
        "INSERT INTO counts (list, member, number) SELECT 'room', sort, count(*) FROM orders "
        "WHERE status = 'dead' OR open_in = 'request' GROUP BY sort"
    )


def _index(name: str, columns: list[str], condition: str) -> None:
    only = sa.text(condition)
    op.create_index(
        f"ix_orders_{name}", "orders", columns, sqlite_where=only, postgresql_where=only
    )
