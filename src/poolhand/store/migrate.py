"""Bringing a database up to this version's tables, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, inspect, text

POOL_MIGRATIONS: Final = Path(__file__).parent / "migrations"
NEWEST_POOL_REVISION: Final = "0004"
"""The revision that this version's tables have."""


class UnknownRevision(Exception):
    """The database is of a version that this one has never heard of."""


def migrate(
    connection: Connection, migrations: Path = POOL_MIGRATIONS, newest: str = NEWEST_POOL_REVISION
) -> None:
    """Bring the database up, in the transaction of the connection; the caller commits.

    Args:
        connection: To the database.
        migrations: Folder of the steps; a pool's by default.
        newest: Revision after the last of them.

    Raises:
        UnknownRevision: A later version has been here.
    """
    if _revision(connection) == newest:
        return
    from alembic.config import Config  # noqa: PLC0415 - slow, and seldom needed
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    steps = ScriptDirectory(str(migrations))

    def wanted(found: Any, _context: Any) -> Any:
        return steps._upgrade_revs(newest, found)  # noqa: SLF001 - as Alembic's manual has it

    try:
        with EnvironmentContext(Config(), steps, fn=wanted) as migration:
            migration.configure(connection=connection, transactional_ddl=True)
            migration.run_migrations()
    except CommandError as fault:
        raise UnknownRevision(str(fault)) from fault


def _revision(connection: Connection) -> str | None:
    """Return what a database was brought up to; None before there were migrations."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found
