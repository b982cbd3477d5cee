"""SQLAlchemy engines for the URL of a program's database: which driver, and whose file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url

from poolhand.domain.lead import ANSWER
from poolhand.observe.private import create_private, narrow

_SERVER: Final = {
    "connect_timeout": 5,
    "keepalives_idle": 2,
    "keepalives_interval": 1,
    "keepalives_count": 3,
    "tcp_user_timeout": 5000,
    "application_name": "poolhand",
}
"""How libpq finds soon that a server is out of reach (seconds; the last of the times in ms)."""

_LOCKS: Final = f"SET lock_timeout = {round((ANSWER - 1) * 1000)}"
"""Whoever waits longer for what others locked loses its lead, and must be able to end; the server
says so before the session is given up because nothing answers."""


_DURABLE: Final = ("journal_mode=WAL", "synchronous=FULL")
ALONE_WITH_FILE: Final = ("locking_mode=EXCLUSIVE", *_DURABLE)
"""SQLite's pragmas where one connection has the file for itself."""
TOGETHER: Final = (*_DURABLE, "busy_timeout=30000")
"""Where one connection writes and others read; they wait so long for its lock (milliseconds)."""


def open_engine(url: str, pragmas: tuple[str, ...] = ALONE_WITH_FILE, **more: Any) -> Engine:
    """Return an engine; SQLite's file is kept private.

    Args:
        url: As SQLAlchemy has it; ``postgres://`` and ``postgresql://`` mean psycopg.
        pragmas: Of each SQLite connection.
        more: Options of SQLAlchemy's.
    """
    known, options = _with_driver(url), dict(more)
    if known.drivername == "postgresql+psycopg":
        options |= {"connect_args": _SERVER}
    engine = create_engine(known, **options)
    if engine.dialect.name == "sqlite":
        _keep_private(engine.url.database)
        event.listen(engine, "connect", partial(_prepare_sqlite, pragmas))
    else:
        event.listen(engine, "do_connect", _connect)
        event.listen(engine, "connect", _prepare_server)
    return engine


@contextmanager
def patient(connection: Connection, seconds: float) -> Iterator[None]:
    """Wait longer for a server's answers until the end of the block; SQLite's has no limit."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        yield
        return
    driver.limit = seconds
    try:
        yield
    finally:
        driver.limit = ANSWER


def is_server(url: str) -> bool:
    """Whether several processes can reach the database: then one leads, and others stand by."""
    return make_url(url).get_backend_name() in ("postgres", "postgresql")


def file_of(url: str) -> Path | None:
    """Return the file of an SQLite database; None for any other."""
    found = make_url(url)
    is_file = found.drivername.startswith("sqlite") and found.database not in (None, "", ":memory:")
    return Path(str(found.database)) if is_file else None


def shown_url(url: str) -> str:
    """Return a URL for a person, without its password."""
    return make_url(url).render_as_string(hide_password=True)


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


def _prepare_sqlite(pragmas: tuple[str, ...], connection: Any, _: Any) -> None:
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}")


def _connect(_dialect: Any, _record: Any, arguments: Any, named: Any) -> Any:
    from poolhand.store.server_session import (  # noqa: PLC0415 - only where a server is used
        BoundedConnection,
    )

    return BoundedConnection.connect(*arguments, **named)


def _prepare_server(connection: Any, _: Any) -> None:
    connection.execute(_LOCKS)
    connection.commit()
