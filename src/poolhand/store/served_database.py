"""One service's database: one writer, several readers, each piece of work one transaction.

On a server the service leads its database as a pool does (``store.lead``): a lock says who may
begin, and an epoch, looked at in each transaction that writes, ends whom the server forgot.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from poolhand.ports.lead import LeadLost
from poolhand.store import lead
from poolhand.store.market.writer import BookWriter
from poolhand.store.migrate import UnknownRevision, migrate
from poolhand.store.sql_engine import (
    TOGETHER,
    file_of,
    is_server,
    open_engine,
    patient,
    shown_url,
)

T = TypeVar("T")
READERS: Final = 4
"""Threads, and connections, that read at a time."""
MIGRATING: Final = 3600.0
"""Seconds that a server may take for a step of a long database."""


@dataclass(frozen=True, slots=True)
class DatabaseKind:
    """What is one service's alone.

    Attributes:
        migrations: Folder of the steps.
        newest: Revision that this version's tables have.
        locked, lost: Make the error of a database that another process has, or has taken.
        too_new: Makes that of one of a later version; given what is told about it.
        unwritable: Makes that of one that does not answer; given why.
        pragmas: Of each SQLite connection.
    """

    migrations: Path
    newest: str
    locked: Callable[[str], Exception]
    lost: Callable[[str], Exception]
    too_new: Callable[[str, str], Exception]
    unwritable: Callable[[str, str], Exception]
    pragmas: tuple[str, ...] = TOGETHER


class ServedDatabase:
    """Runs work on a database; SQLite in WAL mode with ``synchronous=FULL``, or PostgreSQL.

    Args:
        url: As SQLAlchemy has it; SQLite's must name a file.
        kind: Of the service.
        holds: Keep other processes out that hold it, too; else work beside the one that does.

    Raises:
        Exception: What ``kind`` makes where another process has it, a later version made its
            tables, or it does not open.

    Any work that writes raises ``kind.lost`` once another process has taken the database.
    """

    def __init__(self, url: str, kind: DatabaseKind, *, holds: bool = True) -> None:
        self._where, self._kind = shown_url(url), kind
        self._lock = -1
        self._holder: Connection | None = None
        self._readers = ThreadPoolExecutor(READERS, "database-reader")
        self._engine = open_engine(url, kind.pragmas, pool_size=READERS + 1, max_overflow=2)
        self._snapshots = self._engine.execution_options(**_snapshot(url))
        self._epoch: int | None = None
        self._writer = BookWriter(self._engine, self._begin_writing, self._unwritable)
        try:
            if holds:
                self._hold(url)
            with self._engine.begin() as connection:
                self._begin_writing(connection)
                with patient(connection, MIGRATING):
                    migrate(connection, kind.migrations, kind.newest)
            if self._holder is not None:
                self._epoch = lead.take(self._holder, lead.this_process())
        except UnknownRevision as fault:
            self.close()
            raise kind.too_new(self._where, str(fault)) from fault
        except DBAPIError as fault:
            self.close()
            raise self._unwritable(fault) from fault
        except BaseException:
            self.close()
            raise

    @contextmanager
    def at_once(self) -> Iterator[Connection]:
        """Open a transaction that writes, on the thread that asks for it: before anybody waits."""
        try:
            with self._engine.begin() as connection:
                self._begin_writing(connection)
                yield connection
        except DBAPIError as fault:
            raise self._unwritable(fault) from fault

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that only reads, beside other such work; it sees one moment.

        Raises:
            Exception: ``unwritable``: the database does not answer.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction that writes: all of it is kept, or nothing.

        Work that waits at the same time is committed together.

        Raises:
            Exception: ``unwritable``: the database did not take it.
        """
        return await self._writer.write(work)

    def _read(self, work: Callable[[Connection], T]) -> T:
        try:
            with self._snapshots.begin() as connection:
                if connection.dialect.name == "sqlite":
                    connection.exec_driver_sql("BEGIN")
                return work(connection)
        except DBAPIError as fault:
            raise self._unwritable(fault) from fault

    def _begin_writing(self, connection: Connection) -> None:
        """Take SQLite's write lock at once; its driver begins no transaction for a read.

        On a server, hold the lead until it ends; raises ``lost`` where that is another's.
        """
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif self._epoch is not None:
            try:
                lead.check(connection, self._epoch)
            except LeadLost as fault:
                raise self._kind.lost(self._where) from fault

    def _unwritable(self, fault: DBAPIError) -> Exception:
        return self._kind.unwritable(self._where, str(fault.orig))

    def close(self) -> None:
        """Wait for work under way, and release everything; repeatable."""
        self._writer.close()
        self._readers.shutdown()
        if self._holder is not None:
            self._holder.close()
            self._holder = None
        self._engine.dispose()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _hold(self, url: str) -> None:
        """Keep other such services out; the system lets go when the process dies."""
        if is_server(url):
            self._holder = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not lead.lock(self._holder):
                raise self._kind.locked(self._where)
            return
        try:
            self._lock = os.open(
                f"{file_of(url)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise self._kind.locked(self._where) from None
        except OSError as fault:
            raise self._kind.unwritable(self._where, fault.strerror or str(fault)) from fault


def _snapshot(url: str) -> dict[str, str]:
    """Return how readers of a server see one moment; SQLite's do within any transaction."""
    return {"isolation_level": "REPEATABLE READ"} if is_server(url) else {}
