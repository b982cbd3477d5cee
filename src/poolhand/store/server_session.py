"""A session with a PostgreSQL server that waits for no answer for ever.

A server's process may be frozen while its machine answers for it: no time limit of the server, and
none of the network, ends that wait. Whoever waits would hold what others wait for: beats, threads,
the end of the program.
"""

from __future__ import annotations

from typing import Any, Final

from psycopg import Connection as PsycopgConnection
from psycopg import OperationalError, errors

from poolhand.domain.lead import ANSWER

_PAUSE_BETWEEN_INTERRUPT_LOOKS: Final = 0.1
"""Seconds between two looks whether the wait was interrupted."""


class BoundedConnection(PsycopgConnection[Any]):
    """Gives itself up where a statement is not answered in time.

    Attributes:
        limit: Seconds for the answer to one statement.
    """

    limit: float = ANSWER

    def wait(
        self,
        gen: Any,
        interval: float = _PAUSE_BETWEEN_INTERRUPT_LOOKS,
        timeout: float | None = None,
    ) -> Any:
        """Drive a statement; raises OperationalError where the answer does not come in time."""
        limit = self.limit if timeout is None else timeout
        try:
            return super().wait(gen, interval, limit)
        except errors._WaitTimeout as fault:  # noqa: SLF001 - as its own manual names it
            self.close()  # what it would answer later is the answer to nothing
            raise OperationalError(f"the server did not answer within {limit:g} s") from fault
