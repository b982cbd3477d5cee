"""The tables of the first secret management service."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_REFUSES = "the audit log is only added to"


def upgrade() -> None:
    """Make every table."""
    _about()
    _keys()
    op.create_table(
        "secrets",
        *(
            sa.Column(name, sa.Text, primary_key=True)
            for name in ("store", "kind", "owner", "name")
        ),
        sa.Column("key_id", sa.Text, sa.ForeignKey("data_keys.id"), nullable=False),
        sa.Column("box", sa.Text, nullable=False),
        sa.Column("added", sa.BigInteger, nullable=False),
        sa.Column("changed", sa.BigInteger, nullable=False),
    )
    op.create_index("ix_secrets_key_id", "secrets", ["key_id"])
    _audit()


def _number() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer, "sqlite")


def _about() -> None:
    op.create_table(
        "identity",
        sa.Column("chain_id", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("hub", sa.Text, nullable=False),
    )
    op.create_table(
        "leader",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("seen_at", sa.BigInteger, nullable=False),
        sa.Column("address", sa.Text, nullable=False, server_default=""),
        sa.Column("beats", sa.BigInteger, nullable=False, server_default="0"),
    )


def _keys() -> None:
    op.create_table(
        "masters",
        sa.Column("n", _number(), primary_key=True, autoincrement=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "data_keys",
        sa.Column("n", _number(), primary_key=True, autoincrement=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "wrappings",
        sa.Column("key_id", sa.Text, sa.ForeignKey("data_keys.id"), primary_key=True),
        sa.Column("master", sa.Text, sa.ForeignKey("masters.name"), primary_key=True),
        sa.Column("box", sa.Text, nullable=False),
    )


def _audit() -> None:
    names = ("act", "store", "kind", "owner", "name", "caller")
    op.create_table(
        "audit",
        sa.Column("n", _number(), primary_key=True, autoincrement=True),
        sa.Column("moment", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in names),
        sqlite_autoincrement=True,
    )
    if op.get_bind().dialect.name == "sqlite":
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER audit_no_{verb.lower()} BEFORE {verb} ON audit "
                f"BEGIN SELECT RAISE(ABORT, '{_REFUSES}'); END"
            )
        return
    op.execute(
        "CREATE FUNCTION audit_only_grows() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{_REFUSES}'; END $$"
    )
    op.execute(
        "CREATE TRIGGER audit_only_grows BEFORE UPDATE OR DELETE ON audit "
        "FOR EACH ROW EXECUTE FUNCTION audit_only_grows()"
    )
