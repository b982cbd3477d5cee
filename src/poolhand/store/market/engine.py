"""Opening a database by its URL: which driver, and whose file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url

from poolhand.observe.private import create_private, narrow


def engine_of(url: str, prepare: Callable[[Any, Any], None], **options: Any) -> Engine:
    """Return the engine of a database.

    Args:
        url: As SQLAlchemy has it; ``postgres://`` and ``postgresql://`` mean psycopg.
        prepare: Given each new SQLite connection, which wants its pragmas.
        options: Of SQLAlchemy's.
    """
    known = _with_driver(url)
    if known.drivername == "postgresql+psycopg":
        import psycopg  # noqa: PLC0415 - only where a server is used

        options["module"] = psycopg
    engine = create_engine(known, **options)
    if engine.dialect.name == "sqlite":
        _keep_private(engine.url.database)
        event.listen(engine, "connect", prepare)
    return engine


def _with_driver(url: str) -> URL:
    """Return a URL that names the driver we have, where it names none."""
    known = make_url(url)
    plain = known.drivername in ("postgres", "postgresql")
    return known.set(drivername="postgresql+psycopg") if plain else known


def _keep_private(database: str | None) -> None:
    """Make SQLite's file its owner's alone; those that SQLite puts beside it follow its mode."""
    if not database or database == ":memory:" or not Path(database).parent.is_dir():
        return  # nothing to keep, or SQLite says itself what is wrong
    with suppress(OSError):
        create_private(Path(database))
    for beside in ("-wal", "-shm"):
        narrow(Path(database + beside))
