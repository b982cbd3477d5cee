"""One secret management service's database, and the keys that open what is in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, func, insert, select

from poolhand.domain.ids import Address
from poolhand.store.served_database import DatabaseKind, ServedDatabase
from poolhand.store.sms.errors import (
    NoSecretsYet,
    SecretsLocked,
    SecretsLost,
    SecretsOfAnotherChain,
    SecretsTooNew,
    SecretsUnwritable,
)
from poolhand.store.sms.keyring import Keyring, newest_key
from poolhand.store.sms.schema import AUDIT, SECRETS, SECRETS_IDENTITY
from poolhand.store.sms.sealing import MasterKey
from poolhand.store.sql_engine import TOGETHER

NEWEST_SECRETS_REVISION: Final = "0001"
"""The revision that this version's tables have."""
SECRETS_KIND: Final = DatabaseKind(
    Path(__file__).parent / "migrations",
    NEWEST_SECRETS_REVISION,
    SecretsLocked,
    SecretsLost,
    SecretsTooNew,
    SecretsUnwritable,
    (*TOGETHER, "foreign_keys=ON", "secure_delete=ON"),
)


class SecretsDatabase(ServedDatabase):
    """A service's, with its keys.

    Args:
        url: As SQLAlchemy has it; SQLite's must name a file.
        master: Opens the data keys.
        now: Milliseconds since 1970.
        holds: For the service, which keeps others out; what works beside it does not.

    Raises:
        SecretsLocked, SecretsTooNew, SecretsUnwritable: It cannot be used.
    """

    def __init__(
        self, url: str, master: MasterKey, now: Callable[[], int], *, holds: bool = True
    ) -> None:
        super().__init__(url, SECRETS_KIND, holds=holds)
        self.keys: Final = Keyring(master, now)
        self.now: Final = now
        self._kept = 0

    @property
    def kept(self) -> int:
        """How many secrets there are."""
        return self._kept

    def count_one(self) -> None:
        """Count a secret that was added; whether it is kept is seen at the next start."""
        self._kept += 1

    def claim(self, chain_id: int, hub: Address) -> None:
        """Make the database that of a hub, or check that it is, and open its keys.

        Raises:
            SecretsOfAnotherChain: It is another's.
            WrongMasterKey: Its secrets are sealed under another master key.
        """
        with self.at_once() as connection:
            known = connection.execute(
                select(SECRETS_IDENTITY.c.chain_id, SECRETS_IDENTITY.c.hub)
            ).first()
            if known is None:
                row = {"chain_id": chain_id, "hub": "0x" + hub.hex()}
                connection.execute(insert(SECRETS_IDENTITY).values(row))
            elif tuple(known) != (chain_id, "0x" + hub.hex()):
                raise SecretsOfAnotherChain(chain_id, hub)
            self.keys.open(connection)
            self._kept = connection.scalar(select(func.count()).select_from(SECRETS)) or 0

    def open_as_it_is(self) -> int:
        """Open the keys of a database that a service has claimed; returns the chain's number.

        Raises:
            NoSecretsYet: None has.
            WrongMasterKey: Its secrets are sealed under another master key.
        """
        with self.at_once() as connection:
            chain_id = connection.scalar(select(SECRETS_IDENTITY.c.chain_id))
            newest = newest_key(connection)
            if chain_id is None or newest is None:
                raise NoSecretsYet
            self.keys.named(connection, newest)
            return int(chain_id)


def audit_rows(database: SecretsDatabase, limit: int) -> list[dict[str, Any]]:
    """Return the newest rows of the audit log, the newest first."""
    with database.at_once() as connection:
        found = connection.execute(select(AUDIT).order_by(AUDIT.c.n.desc()).limit(limit))
        return [dict(row._mapping) for row in found]  # noqa: SLF001 - SQLAlchemy's name


def note_in_audit(
    connection: Connection, moment: int, act: str, *what: str, caller: str = ""
) -> None:
    """Add a row to the audit log, in the transaction of what it tells.

    Args:
        connection: Of the transaction.
        moment: Milliseconds since 1970.
        act: What was done.
        what: Store, kind, owner and name of the secret, as far as it is about one.
        caller: For whom.
    """
    names = ("store", "kind", "owner", "name")
    told = dict(zip(names, (*what, *("",) * len(names)), strict=False))
    connection.execute(insert(AUDIT).values(moment=moment, act=act, caller=caller[:64], **told))
