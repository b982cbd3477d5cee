"""Data keys of a database: which seals, which open, and under which master keys they lie."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import structlog
from sqlalchemy import Connection, delete, func, insert, select

from poolhand.store.sms.errors import WrongMasterKey
from poolhand.store.sms.schema import DATA_KEYS, MASTERS, WRAPPINGS
from poolhand.store.sms.sealing import MasterKey, SealingKey, new_key

_log = structlog.get_logger()


class Keyring:
    """Opens data keys as they are needed.

    Args:
        master: Under which they lie.
        now: Milliseconds since 1970.
    """

    def __init__(self, master: MasterKey, now: Callable[[], int]) -> None:
        self.master, self._now = master, now
        self._opened: dict[str, SealingKey] = {}

    def open(self, connection: Connection) -> None:
        """Check that the master key opens the newest data key; the first one is made.

        Where a newer master key than others is given, the others open nothing from now on.

        Raises:
            WrongMasterKey: It is not the one; nothing was changed.
        """
        newest = newest_key(connection)
        if newest is None:
            add_master(connection, self.master.name, self._now())
            self.add(connection, {self.master.name: self.master})
            return
        self.named(connection, newest)
        self._retire(connection)

    def newest(self, connection: Connection) -> tuple[str, SealingKey]:
        """Return the key that seals, with its name."""
        name = newest_key(connection)
        assert name is not None
        return name, self.named(connection, name)

    def named(self, connection: Connection, key_id: str) -> SealingKey:
        """Return a key by name.

        Raises:
            WrongMasterKey, SealBroken: The master key does not open it.
        """
        found = self._opened.get(key_id)
        if found is None:
            box = connection.scalar(_wrapping(key_id, self.master.name))
            if box is None:
                raise WrongMasterKey(self.master.name, newest_master(connection))
            found = self._opened[key_id] = self.master.unwrap(key_id, box)
        return found

    def add(self, connection: Connection, masters: dict[str, MasterKey]) -> str:
        """Make a data key, sealed under these master keys; returns its name."""
        key_id, raw = uuid.uuid4().hex, new_key()
        connection.execute(insert(DATA_KEYS).values(id=key_id, since=self._now()))
        for name, master in masters.items():
            box = master.wrap(key_id, raw)
            connection.execute(insert(WRAPPINGS).values(key_id=key_id, master=name, box=box))
        return key_id

    def _retire(self, connection: Connection) -> None:
        """Drop what opens keys for masters that ours replaced, once ours opens them all."""
        ours = connection.scalar(select(MASTERS.c.n).where(MASTERS.c.name == self.master.name))
        if self.master.name != newest_master(connection):
            _log.warning(
                "older_master_key",
                given=self.master.name,
                acts="operator of the secret management service",
                next_step="start it with the master key that `sms rotate-key` was given last",
            )
            return
        keys = connection.scalar(select(func.count()).select_from(DATA_KEYS))
        mine = WRAPPINGS.c.master == self.master.name
        wrapped = connection.scalar(select(func.count()).select_from(WRAPPINGS).where(mine))
        if keys != wrapped:
            return
        older = select(MASTERS.c.name).where(MASTERS.c.n < ours).scalar_subquery()
        connection.execute(delete(WRAPPINGS).where(WRAPPINGS.c.master.in_(older)))


def newest_key(connection: Connection) -> str | None:
    """Return the name of the key that seals; None where there is none yet."""
    found: str | None = connection.scalar(
        select(DATA_KEYS.c.id).order_by(DATA_KEYS.c.n.desc()).limit(1)
    )
    return found


def newest_master(connection: Connection) -> str:
    """Return the name of the master key that was given last."""
    found: str | None = connection.scalar(
        select(MASTERS.c.name).order_by(MASTERS.c.n.desc()).limit(1)
    )
    return found or ""


def add_master(connection: Connection, name: str, now: int) -> None:
    """Note a master key, if it is not yet."""
    if connection.scalar(select(MASTERS.c.n).where(MASTERS.c.name == name)) is None:
        connection.execute(insert(MASTERS).values(name=name, since=now))


def _wrapping(key_id: str, master: str):  # type: ignore[no-untyped-def]  # noqa: ANN202
    return select(WRAPPINGS.c.box).where(WRAPPINGS.c.key_id == key_id, WRAPPINGS.c.master == master)
