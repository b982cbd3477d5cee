"""One market's database, which is served as ``store.served_database`` has it."""

from __future__ import annotations

from pathlib import Path
from typing import Final, TypeAlias

from sqlalchemy import Connection, insert, select

from poolhand.domain.ids import Address
from poolhand.store.market.errors import (
    BookLocked,
    BookLost,
    BookOfAnotherChain,
    BookTooNew,
    BookUnwritable,
)
from poolhand.store.market.schema import IDENTITY
from poolhand.store.served_database import DatabaseKind, ServedDatabase

BookConnection: TypeAlias = Connection
"""What pieces of work are given: the transaction in which they read and write."""
NEWEST_MARKET_REVISION: Final = "0007"
"""The revision that this version's tables have."""
MARKET_MIGRATIONS: Final = Path(__file__).parent / "migrations"
MARKET_KIND: Final = DatabaseKind(
    MARKET_MIGRATIONS, NEWEST_MARKET_REVISION, BookLocked, BookLost, BookTooNew, BookUnwritable
)


class MarketDatabase(ServedDatabase):
    """A market's.

    Args:
        url: As SQLAlchemy has it; SQLite's must name a file.

    Raises:
        BookLocked: Another process has it.
        BookTooNew: A later version made its tables.
        BookUnwritable: It does not open.

    Any work that writes raises BookLost once another market has taken the database.
    """

    def __init__(self, url: str) -> None:
        super().__init__(url, MARKET_KIND)

    def claim(self, chain_id: int, hub: Address) -> None:
        """Make the database that of a hub, or check that it is.

        Raises:
            BookOfAnotherChain: It is another's.
        """
        with self.at_once() as connection:
            known = connection.execute(select(IDENTITY.c.chain_id, IDENTITY.c.hub)).first()
            if known is None:
                row = {"chain_id": chain_id, "hub": "0x" + hub.hex()}
                connection.execute(insert(IDENTITY).values(row))
            elif tuple(known) != (chain_id, "0x" + hub.hex()):
                raise BookOfAnotherChain(self._where, chain_id, hub)
