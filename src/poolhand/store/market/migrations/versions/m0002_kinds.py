"""Kinds of open orders with their number, and indexes by which each list is read off in order.

What a market counted anew for each list it now counts as orders come and go; nine indexes do what
fourteen did.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

OLD = (
    "open", "open_app", "open_dataset", "open_workerpool", "open_requester", "open_beneficiary",
    "open_signer", "open_category", "paying_app", "paying_dataset", "hash", "read_at",
)  # fmt: skip
IN_LIST_ORDER = ("rank", "published", "order_hash")
PARTIES = ("app", "dataset", "workerpool", "requester")
TAGS = ("tag_0", "tag_1", "tag_2", "tag_3")
KIND = ("sort", *PARTIES, "category", "trust", *TAGS, "bulk")
BULK_VOLUME = 2**53 - 2


def upgrade() -> None:
    """Make the table, fill it from the orders that are open, and change the indexes."""
    op.add_column("orders", sa.Column("kind", sa.BigInteger))
    op.add_column("orders", sa.Column("resource", sa.Text, nullable=False, server_default=""))
    _kinds()
    _fill()
    for name in OLD:
        op.drop_index(f"ix_orders_{name}", "orders")
    _indexes()


def _kinds() -> None:
    number = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    op.create_table(
        "kinds",
        sa.Column("id", number, primary_key=True, autoincrement=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("sort", *PARTIES)),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("category", "trust", *TAGS, "bulk", "open_orders")
        ),
        sa.UniqueConstraint(*KIND, name="uq_kinds"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_kinds_category", "kinds", ["sort", "category"])


def _fill() -> None:
    own = {"app": "app", "dataset": "dataset", "workerpool": "workerpool", "requester": "request"}
    sold = " ".join(f"WHEN '{sort}' THEN {party}" for party, sort in own.items())
    op.execute(f"UPDATE orders SET resource = CASE sort {sold} END")  # noqa: S608 - all ours
    told = [f"orders.{name}" for name in KIND[:-1]]
    for at, (party, sort) in enumerate(own.items(), 1):
        told[at] = f"CASE WHEN orders.sort = '{sort}' THEN '' ELSE orders.{party} END"
    is_bulk = f"orders.sort = 'dataset' AND orders.price = 0 AND orders.volume >= {BULK_VOLUME}"
    told.append(f"CASE WHEN {is_bulk} THEN 1 ELSE 0 END")
    op.execute(
        f"INSERT INTO kinds ({', '.join(KIND)}, open_orders) "  # noqa: S608 - all ours
        f"SELECT {', '.join(told)}, count(*) FROM orders WHERE orders.open_in IS NOT NULL "
        f"GROUP BY {', '.join(str(number) for number in range(1, len(told) + 1))}"
    )
    same = " AND ".join(f"kinds.{name} = {each}" for name, each in zip(KIND, told, strict=True))
    kind = f"(SELECT kinds.id FROM kinds WHERE {same})"  # noqa: S608 - all ours
    op.execute(f"UPDATE orders SET kind = {kind} WHERE orders.open_in IS NOT NULL")  # noqa: S608


def _indexes() -> None:
    in_all, by_kind = [*IN_LIST_ORDER, "kind", "remaining"], ["kind", *IN_LIST_ORDER, "remaining"]
    op.create_index("ix_orders_all", "orders", ["open_in", *in_all])
    op.create_index("ix_orders_kind", "orders", ["open_in", *by_kind])
    for name in ("resource", "signer"):
        op.create_index(f"ix_orders_{name}", "orders", ["open_in", name, *IN_LIST_ORDER])
    _index("beneficiary", ["beneficiary", *IN_LIST_ORDER], "open_in = 'request'")
    for name in ("app", "dataset"):
        _index(f"paying_{name}", [name, f"{name}_max_price"], "open_in = 'request'")
    _index("judged_at", ["read_at"], "open_in IS NOT NULL")


def _index(name: str, columns: list[str], condition: str) -> None:
    only = sa.text(condition)
    op.create_index(
        f"ix_orders_{name}", "orders", columns, sqlite_where=only, postgresql_where=only
    )
