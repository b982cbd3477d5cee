"""The journal in a server's database as it stands at one moment, whoever writes there meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import ArgumentError, DBAPIError

from poolhand.store.errors import JournalUnreadable
from poolhand.store.record import Codec
from poolhand.store.row_codec import RowCodec
from poolhand.store.schema import JOURNAL
from poolhand.store.sql_engine import open_engine, shown_url

JOURNAL_ROWS_PER_QUERY: Final = 1000
_CHANGE: Final = (
    "see that its server runs, and that its URL names a pool's database, as "
    "postgresql://user:password@host/database"
)


class ServerCopy:
    """Reads events in one transaction that may not write; nobody has to wait for it.

    Args:
        url: Of a database of PostgreSQL.

    Raises:
        JournalUnreadable: The URL is none, or its server does not answer or has no journal for us.
    """

    def __init__(self, url: str) -> None:
        try:
            self._where = shown_url(url)
        except (ArgumentError, ValueError) as fault:
            raise JournalUnreadable("the database", "its URL is none", _CHANGE) from fault
        self._rows = RowCodec(self._where, Codec())
        options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._engine = open_engine(url)
        try:
            self._connection = self._engine.connect().execution_options(**options)
        except DBAPIError as fault:
            self._engine.dispose()
            raise JournalUnreadable(self._where, str(fault.orig), _CHANGE) from fault

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) in order of writing.

        Raises:
            JournalUnreadable: As above.
            JournalCorrupt, JournalTooNew: As of ``RowCodec``.
        """
        query, last = select(JOURNAL).order_by(JOURNAL.c.n).limit(JOURNAL_ROWS_PER_QUERY), 0
        try:
            while rows := self._connection.execute(query.where(JOURNAL.c.n > last)).all():
                for n, v, s, e, c in rows:
                    yield s, self._rows.event((n, v, s, e, c))
                last = rows[-1][0]
        except DBAPIError as fault:
            raise JournalUnreadable(self._where, str(fault.orig), _CHANGE) from fault

    def close(self) -> None:
        """Let go of the server; repeatable."""
        self._connection.close()
        self._engine.dispose()
