"""A pool's database: its journal, and rows of what has settled; SQLite or PostgreSQL, by URL."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import groupby
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, func, insert, select
from sqlalchemy.exc import DBAPIError

from poolhand.domain.errors import BrokenPrecondition, PoolhandError
from poolhand.domain.lead import TAKING
from poolhand.ports.archive import SettledArchive
from poolhand.ports.journal import Forgotten, JournalChange, Kept, Marked, Written
from poolhand.ports.lead import LeadClaim, LeadLost
from poolhand.store import lead
from poolhand.store.errors import JournalFull, JournalLocked, JournalTooNew, JournalUnwritable
from poolhand.store.migrate import NEWEST_POOL_REVISION, UnknownRevision, migrate
from poolhand.store.record import Codec
from poolhand.store.roles import first_line, is_forbidden, not_ours
from poolhand.store.row_codec import JournalRow, RowCodec
from poolhand.store.schema import CURSORS, JOURNAL
from poolhand.store.sql_archive import SqlArchive, keep, mark
from poolhand.store.sql_engine import open_engine, patient, shown_url

_INSERT: Final = insert(JOURNAL)
_DELETE: Final = delete(JOURNAL).where(JOURNAL.c.s == bindparam("stream"))


class SqlJournal:
    """Implements ``ports.journal.BatchJournal`` over one database.

    SQLite runs in WAL mode with ``synchronous=FULL``, so that a commit survives a power cut, and
    with an exclusive lock. On PostgreSQL whoever opens it leads: it holds an advisory lock, and
    nothing is written once another leads (``store.lead``).

    Args:
        url: As SQLAlchemy has it, e.g. ``sqlite:///data/journal.db``.
        codec: Record version and the ways up from older ones.
        claim: Who opens it, as those that stand by are told.

    Raises:
        JournalLocked: Another process has it open.
        JournalTooNew: A later version migrated it.
        JournalUnwritable: The database does not open.
    """

    def __init__(
        self, url: str, codec: Codec | None = None, claim: LeadClaim | None = None
    ) -> None:
        self._where = shown_url(url)
        self._rows = RowCodec(self._where, codec or Codec())
        self._mutex = threading.RLock()
        self._engine = open_engine(url)
        self._connection: Connection | None = None
        self._epoch: int | None = None
        self._lost: LeadLost | None = None
        self._archive = SqlArchive(self._transaction, self._writing)
        try:
            self._connection = self._engine.connect()
            self._hold(self._connection, claim or lead.this_process())
        except DBAPIError as fault:
            told = self._unopened(fault)
            self.close()
            raise told from fault
        except BaseException:
            self.close()
            raise

    def _unopened(self, fault: DBAPIError) -> PoolhandError:
        """Return what to raise where the database does not open."""
        if "locked" in str(fault.orig):
            return JournalLocked(self._where, "unknown")
        return self._refused(fault)

    def _refused(self, fault: DBAPIError) -> PoolhandError:
        """Return what to raise where a statement failed, and leave the transaction."""
        if self._connection is not None and not fault.connection_invalidated:
            self._connection.rollback()
            if is_forbidden(fault):
                return not_ours(self._connection, first_line(fault))
        if "full" in str(fault.orig) or "No space" in str(fault.orig):
            return JournalFull(self._where)
        return JournalUnwritable(self._where, str(fault.orig))

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
        self.commit((Written(stream, Codec.event_text(event)),))

    def commit(self, changes: Sequence[JournalChange]) -> None:
        """Make changes in their order in one transaction.

        Raises:
            JournalFull: No room; nothing was changed.
            JournalUnwritable: Any other refusal; nothing was changed.
            LeadLost: Another leads by now; nothing was changed.
        """
        with self._writing() as connection:
            for _, run in groupby(changes, type):
                self._make(connection, list(run))

    def _make(self, connection: Connection, changes: list[Any]) -> None:
        """Make changes of one kind."""
        match changes[0]:
            case Written():
                connection.execute(_INSERT, [self._rows.row(each) for each in changes])
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
            for row in rows:
                yield row[2], self._rows.event(row)
            last = rows[-1][0]

    def forget(self, stream: str) -> None:
        """Drop a stream whose story is over; repeatable."""
        self.commit((Forgotten(stream),))

    def beat(self) -> None:
        """Give a sign of life to those that stand by; nothing where nobody can.

        Raises:
            LeadLost: Another leads, or the database is out of reach.
        """
        if self._epoch is not None:
            with self._transaction() as connection:
                lead.beat(connection, self._epoch)

    def close(self) -> None:
        """Release database and lock, and let another lead at once; repeatable.

        Whoever closes it sends nothing more. A server that does not answer is waited for as long
        as for any answer.
        """
        with self._mutex:
            if self._connection is not None:
                with suppress(DBAPIError):
                    self._resign(self._connection)
                self._connection.close()
                self._connection = None
            self._engine.dispose()

    def _resign(self, connection: Connection) -> None:
        if self._epoch is not None and self._lost is None:
            lead.resign(connection, self._epoch)
            connection.commit()

    def _page(self, last: int, prefix: str) -> list[JournalRow]:
        mine = func.substr(JOURNAL.c.s, 1, len(prefix)) == prefix
        query = select(JOURNAL).where(JOURNAL.c.n > last, mine).order_by(JOURNAL.c.n).limit(1000)
        with self._transaction() as connection:
            return [(n, v, s, e, c) for n, v, s, e, c in connection.execute(query)]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        """Yield a transaction that is made only as long as we lead."""
        with self._transaction() as connection:
            if self._epoch is not None:
                lead.check(connection, self._epoch)
            yield connection

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        with self._mutex:
            connection = self._open()
            try:
                yield connection
                connection.commit()
            except DBAPIError as fault:
                if fault.connection_invalidated and self._epoch is not None:
                    self._lost = LeadLost(f"the database ended its session: {fault.orig}")
                    raise self._lost from fault
                raise self._refused(fault) from fault
            except BaseException:
                connection.rollback()
                raise

    def _open(self) -> Connection:
        if self._connection is None:
            raise BrokenPrecondition(f"journal {self._where} is closed")
        if self._lost is not None:
            raise self._lost  # a new session would be without the lock
        return self._connection

    def _hold(self, connection: Connection, claim: LeadClaim) -> None:
        is_server = connection.dialect.name == "postgresql"
        if is_server:
            free = lead.lock(connection)
            connection.commit()
            if not free:
                raise JournalLocked(self._where, "unknown")
        else:
            connection.exec_driver_sql("BEGIN IMMEDIATE")  # takes SQLite's write lock, for good
        try:
            with patient(connection, TAKING):
                migrate(connection)
        except UnknownRevision as fault:
            raise JournalTooNew(self._where, str(fault), NEWEST_POOL_REVISION) from fault
        epoch = lead.take(connection, claim) if is_server else None
        connection.commit()
        self._epoch = epoch
