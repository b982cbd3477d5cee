"""A pool's database: its journal, and rows of what has settled; SQLite or PostgreSQL, by URL."""

from __future__ import annotations

import json
import threading
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    URL,
    Connection,
    Engine,
    bindparam,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError

from poolhand.domain.errors import BrokenPrecondition
from poolhand.observe.private import create_private, narrow
from poolhand.ports.archive import SettledArchive
from poolhand.ports.journal import Change, Forgotten, Kept, Marked, Written
from poolhand.store.errors import (
    JournalCorrupt,
    JournalFull,
    JournalLocked,
    JournalTooNew,
    JournalUnwritable,
)
from poolhand.store.migrate import NEWEST, UnknownRevision, migrate
from poolhand.store.record import Codec, TooNewRecord
from poolhand.store.schema import CURSORS, JOURNAL
from poolhand.store.sql_archive import SqlArchive, keep, mark

_INSERT: Final = insert(JOURNAL)
_DELETE: Final = delete(JOURNAL).where(JOURNAL.c.s == bindparam("stream"))
_ADVISORY: Final = 0x706F6F6C
"""Key of PostgreSQL's advisory lock: one journal per database."""


class SqlJournal:
    """Implements ``ports.journal.BatchJournal`` over one database.

    SQLite runs in WAL mode with ``synchronous=FULL``, so that a commit survives a power cut, and
    with an exclusive lock; PostgreSQL with an advisory lock.

    Args:
        url: As SQLAlchemy has it, e.g. ``sqlite:///data/journal.db``.
        codec: Record version and the ways up from older ones.

    Raises:
        JournalLocked: Another process has it open.
        JournalTooNew: A later version migrated it.
        JournalUnwritable: The database does not open.
    """

    def __init__(self, url: str, codec: Codec | None = None) -> None:
        self._where = make_url(url).render_as_string(hide_password=True)
        self._codec = codec or Codec()
        self._mutex = threading.RLock()
        self._engine = _engine(url)
        self._connection: Connection | None = None
        self._archive = SqlArchive(self._transaction)
        try:
            self._connection = self._engine.connect()
            self._hold(self._connection)
        except DBAPIError as fault:
            self.close()
            if "locked" in str(fault.orig):
                raise JournalLocked(self._where, "unknown") from None
            raise JournalUnwritable(self._where, str(fault.orig)) from fault
        except BaseException:
            self.close()
            raise

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled."""
        return self._archive

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event; it survives a power cut once this returns.

        Raises:
            JournalFull: No room; nothing was recorded.
            JournalUnwritable: Any other refusal; nothing was recorded.
        """
        self.commit((Written(stream, self._codec.event_text(event)),))

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes in their order in one transaction.

        Raises:
            JournalFull: No room; nothing was changed.
            JournalUnwritable: Any other refusal; nothing was changed.
        """
        with self._transaction() as connection:
            for _, run in groupby(changes, type):
                self._make(connection, list(run))

    def _make(self, connection: Connection, changes: list[Any]) -> None:
        """Make changes of one kind."""
        match changes[0]:
            case Written():
                connection.execute(_INSERT, [self._row(each) for each in changes])
            case Forgotten():
                connection.execute(_DELETE, [{"stream": each.stream} for each in changes])
            case Kept():
                keep(connection, [each.row for each in changes])
            case Marked():
                mark(connection, {each.name: each.value for each in changes})

    def marks(self) -> Mapping[str, int]:
        """Return every cursor."""
        with self._transaction() as connection:
            rows = connection.execute(select(CURSORS)).mappings().all()
        return {row["name"]: row["value"] for row in rows}

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) in order of writing, of streams whose names begin so.

        Raises:
            JournalCorrupt: A row was altered; its number is named.
            JournalTooNew: A later version wrote it.
        """
        last = 0
        while rows := self._page(last, prefix):
            for number, version, stream, written, checksum in rows:
                yield stream, self._decode(number, version, stream, written, checksum)
            last = rows[-1][0]

    def forget(self, stream: str) -> None:
        """Drop a stream whose story is over; repeatable."""
        self.commit((Forgotten(stream),))

    def close(self) -> None:
        """Release database and lock; repeatable."""
        with self._mutex:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            self._engine.dispose()

    def _page(self, last: int, prefix: str) -> list[tuple[int, int, str, str, int]]:
        mine = func.substr(JOURNAL.c.s, 1, len(prefix)) == prefix
        query = select(JOURNAL).where(JOURNAL.c.n > last, mine).order_by(JOURNAL.c.n).limit(1000)
        with self._transaction() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def _decode(
        self, number: int, version: int, stream: str, written: str, checksum: int
    ) -> dict[str, Any]:
        if checksum != _crc(stream, written):
            raise JournalCorrupt(self._where, number, "checksum does not match")
        try:
            event = self._codec.upcast(version, stream, json.loads(written))
        except TooNewRecord as fault:
            raise JournalTooNew(self._where, version, self._codec.version) from fault
        assert event is not None
        return event

    def _row(self, change: Change) -> dict[str, Any]:
        assert isinstance(change, Written)
        stream, written = change.stream, change.text
        return {"v": self._codec.version, "s": stream, "e": written, "c": _crc(stream, written)}

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._mutex:
            connection = self._open()
            try:
                yield connection
                connection.commit()
            except DBAPIError as fault:
                connection.rollback()
                if "full" in str(fault.orig) or "No space" in str(fault.orig):
                    raise JournalFull(self._where) from fault
                raise JournalUnwritable(self._where, str(fault.orig)) from fault
            except BaseException:
                connection.rollback()
                raise

    def _open(self) -> Connection:
        if self._connection is None:
            raise BrokenPrecondition(f"journal {self._where} is closed")
        return self._connection

    def _hold(self, connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            free = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": _ADVISORY})
            connection.commit()
            if not free:
                raise JournalLocked(self._where, "unknown")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # takes SQLite's write lock, for good
        try:
            migrate(connection)
        except UnknownRevision as fault:
            raise JournalTooNew(self._where, str(fault), NEWEST) from fault
        connection.commit()


def _engine(url: str) -> Engine:
    known, options = _with_driver(url), {}
    if known.drivername == "postgresql+psycopg":
        import psycopg  # noqa: PLC0415 - only where a server is used

        options["module"] = psycopg
    engine = create_engine(known, **options)
    if engine.dialect.name == "sqlite":
        _keep_private(engine.url.database)
        event.listen(engine, "connect", _prepare_sqlite)
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


def _prepare_sqlite(connection: Any, _: Any) -> None:
    for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=FULL"):
        connection.execute(f"PRAGMA {pragma}")


def _crc(stream: str, written: str) -> int:
    return zlib.crc32(f"{stream}\n{written}".encode())


def file_of(url: str) -> Path | None:
    """Return the file of an SQLite database; None for any other."""
    found = make_url(url)
    is_file = found.get_backend_name() == "sqlite" and found.database not in (None, "", ":memory:")
    return Path(str(found.database)) if is_file else None
