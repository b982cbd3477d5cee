"""What a pool that stands by reads in the database that another writes, and who that is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError

from poolhand.domain.ids import TaskId
from poolhand.domain.lead import Sighting
from poolhand.ports.archive import SettledArchive
from poolhand.store import lead
from poolhand.store.errors import JournalUnreadable
from poolhand.store.record import Codec
from poolhand.store.roles import first_line, is_forbidden, not_endable, not_ours
from poolhand.store.row_codec import RowCodec
from poolhand.store.schema import JOURNAL, TASKS
from poolhand.store.sql_archive import SqlArchive
from poolhand.store.sql_engine import open_engine, shown_url


class SqlReader:
    """Reads a server's database, from any thread; it comes back when the server does.

    Every method raises JournalUnreadable where the server does not answer, and RoleForbidden where
    it does not let us.
    """

    def __init__(self, url: str, codec: Codec | None = None) -> None:
        self._where = shown_url(url)
        self._rows = RowCodec(self._where, codec or Codec())
        self._engine = open_engine(url, pool_pre_ping=True)

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled; nothing is pruned."""
        return SqlArchive(self._reading, self._never)

    def sight(self) -> Sighting:
        """Look who leads."""
        with self._reading() as connection:
            return lead.sight(connection)

    def end(self, seen: Sighting) -> int:
        """End the session that was seen, unless it showed a sign of life; returns how many were.

        Raises:
            RoleForbidden: It is another role's; the message has the GRANT that helps.
        """
        self.check_endable(seen)
        with self._reading() as connection:
            return lead.end(connection, seen)

    def check_endable(self, seen: Sighting) -> None:
        """Do nothing where we could end the session that was seen; else raises RoleForbidden."""
        if (session := seen.session) is not None and not session.is_endable:
            with self._reading() as connection:
                raise not_endable(connection, session.process, session.role)

    def stream(self, name: str) -> Sequence[dict[str, Any]]:
        """Return the events of a stream in order; raises JournalCorrupt where one was altered."""
        query = select(JOURNAL).where(JOURNAL.c.s == name).order_by(JOURNAL.c.n)
        with self._reading() as connection:
            rows = connection.execute(query).all()
        return [self._rows.event((n, v, s, e, c)) for n, v, s, e, c in rows]

    def events(
        self, after: int, prefix: str, most: int
    ) -> tuple[Sequence[tuple[str, dict[str, Any]]], int]:
        """Return (stream, event) written behind a number, of streams that begin so, in order.

        Args:
            after: The number; 0: from the first on.
            prefix: Of the streams' names.
            most: How many.

        Returns:
            And the number to go on behind; raises JournalCorrupt where an event was altered.
        """
        mine = func.substr(JOURNAL.c.s, 1, len(prefix)) == prefix
        with self._reading() as connection:
            newest = connection.scalar(select(func.max(JOURNAL.c.n))) or after
            new = JOURNAL.c.n.between(after + 1, newest)
            query = select(JOURNAL).where(new, mine).order_by(JOURNAL.c.n).limit(most)
            rows = connection.execute(query).all()
        found = [
            (row[2], self._rows.event((row[0], row[1], row[2], row[3], row[4]))) for row in rows
        ]
        return found, rows[-1][0] if len(rows) == most else max(after, newest)

    def settled(self, after: int | None, most: int) -> tuple[Sequence[TaskId], int]:
        """Return tasks whose rows were written behind a number, in order.

        Args:
            after: The number; None: none of them, only how far they go.
            most: How many.

        Returns:
            And the number to go on behind.
        """
        columns = select(TASKS.c.n, TASKS.c.task_id)
        with self._reading() as connection:
            if after is None:
                return (), connection.scalar(select(func.max(TASKS.c.n))) or 0
            newer = columns.where(TASKS.c.n > after).order_by(TASKS.c.n).limit(most)
            rows = connection.execute(newer).all()
        return [TaskId.parse(name) for _, name in rows], rows[-1][0] if rows else after

    def close(self) -> None:
        """Let go of the server; repeatable."""
        self._engine.dispose()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as fault:
            if is_forbidden(fault):
                with self._engine.connect() as another:
                    raise not_ours(another, first_line(fault)) from fault
            raise JournalUnreadable(self._where, str(fault.orig)) from fault

    def _never(self) -> NoReturn:
        raise AssertionError("who stands by changes nothing")
