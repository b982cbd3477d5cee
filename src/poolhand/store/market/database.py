"""One market's database: one writer, several readers, each piece of work one transaction.

On a server the market leads its database as a pool does (``store.lead``): a lock says who may
begin, and an epoch, looked at in each transaction that writes, ends whom the server forgot.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError

from poolhand.domain.ids import Address
from poolhand.ports.lead import LeadLost
from poolhand.store import lead
from poolhand.store.market.errors import (
    BookLocked,
    BookLost,
    BookOfAnotherChain,
    BookTooNew,
    BookUnwritable,
)
from poolhand.store.market.schema import IDENTITY
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
BookConnection: TypeAlias = Connection
"""What pieces of work are given: the transaction in which they read and write."""
NEWEST_MARKET_REVISION: Final = "0007"
"""The revision that this version's tables have."""
MARKET_MIGRATIONS: Final = Path(__file__).parent / "migrations"
READERS: Final = 4
"""Threads, and connections, that read at a time."""
MIGRATING: Final = 3600.0
"""Seconds that a server may take for a step of a long book."""


class MarketDatabase:
    """Runs work on a database; SQLite in WAL mode with ``synchronous=FULL``, or PostgreSQL.

    Args:
        url: As SQLAlchemy has it; SQLite's must name a file.

    Raises:
        BookLocked: Another process has it.
        BookTooNew: A later version made its tables.
        BookUnwritable: It does not open.

    Any work that writes raises BookLost once another market has taken the database.
    """

    def __init__(self, url: str) -> None:
        self._where = shown_url(url)
        self._lock = -1
        self._holder: Connection | None = None
        self._readers = ThreadPoolExecutor(READERS, "book-reader")
        self._engine = open_engine(url, TOGETHER, pool_size=READERS + 1, max_overflow=2)
        self._snapshots = self._engine.execution_options(**_snapshot(url))
        self._epoch: int | None = None
        self._writer = BookWriter(self._engine, self._begin_writing, self._unwritable)
        try:
            self._hold(url)
            with self._engine.begin() as connection:
                self._begin_writing(connection)
                with patient(connection, MIGRATING):
                    migrate(connection, MARKET_MIGRATIONS, NEWEST_MARKET_REVISION)
            if self._holder is not None:
                self._epoch = lead.take(self._holder, lead.this_process())
        except UnknownRevision as fault:
            self.close()
            raise BookTooNew(self._where, str(fault)) from fault
        except DBAPIError as fault:
            self.close()
            raise self._unwritable(fault) from fault
        except BaseException:
            self.close()
            raise

    def claim(self, chain_id: int, hub: Address) -> None:
        """Make the database that of a hub, or check that it is.

        Raises:
            BookOfAnotherChain: It is another's.
        """
        with self._engine.begin() as connection:
            self._begin_writing(connection)
            known = connection.execute(select(IDENTITY.c.chain_id, IDENTITY.c.hub)).first()
            if known is None:
                row = {"chain_id": chain_id, "hub": "0x" + hub.hex()}
                connection.execute(insert(IDENTITY).values(row))
            elif tuple(known) != (chain_id, "0x" + hub.hex()):
                raise BookOfAnotherChain(self._where, chain_id, hub)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run work that only reads, beside other such work; it sees one moment.

        Raises:
            BookUnwritable: The database does not answer.
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._readers, self._read, work)

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run work in a transaction that writes: all of it is kept, or nothing.

        Work that waits at the same time is committed together.

        Raises:
            BookUnwritable: The database did not take it.
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

        On a server, hold the lead until it ends; raises BookLost where that is another's.
        """
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        elif self._epoch is not None:
            try:
                lead.check(connection, self._epoch)
            except LeadLost as fault:
                raise BookLost(self._where) from fault

    def _unwritable(self, fault: DBAPIError) -> BookUnwritable:
        return BookUnwritable(self._where, str(fault.orig))

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
        """Keep other markets out; the system lets go when the process dies."""
        if is_server(url):
            self._holder = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
            if not lead.lock(self._holder):
                raise BookLocked(self._where)
            return
        try:
            self._lock = os.open(
                f"{file_of(url)}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
            )
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BookLocked(self._where) from None
        except OSError as fault:
            raise BookUnwritable(self._where, fault.strerror or str(fault)) from fault


def _snapshot(url: str) -> dict[str, str]:
    """Return how readers of a server see one moment; SQLite's do within any transaction."""
    return {"isolation_level": "REPEATABLE READ"} if is_server(url) else {}
