"""Changing keys: all that is kept is sealed anew, beside the service and step by step.

1. One transaction makes the new data key, sealed under the old and, if there is one, the new
   master key; the other data keys are sealed under the new master key, too.
2. Many transactions seal some rows each under the new data key.
3. One for each old data key drops it, once nothing is sealed by it.

After each step everything opens, with the old master key as with the new one. Whoever dies between
two of them starts again, and what was begun is finished. What the old master key opens is dropped
by the service, when it is started with the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Table, delete, func, select, update

from poolhand.domain.errors import Refused
from poolhand.store.sms.database import SecretsDatabase, note_in_audit
from poolhand.store.sms.keyring import add_master, newest_key, newest_master
from poolhand.store.sms.schema import DATA_KEYS, MASTERS, SEALED, WRAPPINGS
from poolhand.store.sms.sealing import MasterKey
from poolhand.store.sms.secrets import sealed_place

SECRETS_RESEALED_AT_ONCE: Final = 200
"""Rows that are sealed anew in one transaction."""


class MasterKeyUsed(Refused):
    """A new master key is no new one."""

    def __init__(self) -> None:
        super().__init__(
            "that master key was this database's before: make a new one (`poolhand sms new-key`)"
        )


@dataclass(slots=True)
class RotationReport:
    """What a rotation did.

    Attributes:
        resealed: Rows that are sealed by the new data key.
        dropped: Data keys that are no more.
        master: Name of the master key to start the service with.
        resumed: Whether an earlier rotation was finished.
    """

    resealed: int = 0
    dropped: int = 0
    master: str = ""
    resumed: bool = False


def rotate(
    database: SecretsDatabase,
    chain_id: int,
    new_master: MasterKey | None = None,
    between: Callable[[str], None] = lambda _step: None,
    rows_at_once: int = SECRETS_RESEALED_AT_ONCE,
) -> RotationReport:
    """Seal all anew; repeatable, and to be called again after a crash.

    Args:
        database: Of the service, which may run meanwhile; its keys are open.
        chain_id: Bound to what is sealed.
        new_master: Under which data keys lie from now on; None: the same.
        between: Called after each transaction with what it did.
        rows_at_once: Sealed anew in one transaction.

    Raises:
        MasterKeyUsed: The new master key was used before.
        SecretsUnwritable: The database does not answer.
    """
    report = RotationReport()
    with database.at_once() as connection:
        _begin(connection, database, new_master, report)
    between("begun")
    while left := _older(database):
        for table in SEALED:
            for number in _resealed(database, table, chain_id, rows_at_once):
                report.resealed += number
                between("resealed")
        for key_id in left:
            with database.at_once() as connection:
                report.dropped += _dropped(connection, key_id)
            between("dropped")
    with database.at_once() as connection:
        note_in_audit(connection, database.now(), "keys rotated")
    return report


def _begin(
    connection: Connection,
    database: SecretsDatabase,
    new_master: MasterKey | None,
    report: RotationReport,
) -> None:
    keys = database.keys
    masters = {keys.master.name: keys.master}
    newest = newest_key(connection)
    assert newest is not None
    keys.named(connection, newest)
    if new_master is not None and new_master.name not in masters:
        if _was_used(connection, new_master.name):
            raise MasterKeyUsed
        masters[new_master.name] = new_master
        add_master(connection, new_master.name, database.now())
        _wrap_for(connection, keys.master, new_master)
    report.master = newest_master(connection)
    older = connection.scalar(select(func.count()).select_from(DATA_KEYS)) or 0
    report.resumed = older > 1
    if not report.resumed:
        keys.add(connection, masters)


def _was_used(connection: Connection, name: str) -> bool:
    """Whether a master key is one that was replaced; the newest one is given again on resuming."""
    known = connection.scalar(select(MASTERS.c.n).where(MASTERS.c.name == name))
    return known is not None and newest_master(connection) != name


def _wrap_for(connection: Connection, old: MasterKey, new: MasterKey) -> None:
    has = select(WRAPPINGS.c.key_id).where(WRAPPINGS.c.master == new.name)
    lacking = select(WRAPPINGS.c.key_id, WRAPPINGS.c.box).where(
        WRAPPINGS.c.master == old.name, WRAPPINGS.c.key_id.not_in(has)
    )
    for row in connection.execute(lacking).all():
        box = old.rewrap(row.key_id, row.box, new)
        connection.execute(WRAPPINGS.insert().values(key_id=row.key_id, master=new.name, box=box))


def _older(database: SecretsDatabase) -> list[str]:
    """Return the data keys that are to go."""
    with database.at_once() as connection:
        names = connection.scalars(select(DATA_KEYS.c.id).order_by(DATA_KEYS.c.n.desc())).all()
    return list(names[1:])


def _resealed(database: SecretsDatabase, table: Table, chain_id: int, most: int) -> Iterator[int]:
    """Seal rows of a table anew; yields how many, after each transaction."""
    while True:
        with database.at_once() as connection:
            name, key = database.keys.newest(connection)
            asked = select(table).where(table.c.key_id != name).limit(most)
            rows = connection.execute(asked.with_for_update()).all()
            for row in rows:
                bound = sealed_place(chain_id, dict(row._mapping))  # noqa: SLF001 - SQLAlchemy's name
                clear = database.keys.named(connection, row.key_id).open(row.box, *bound)
                changed = {"key_id": name, "box": key.seal(clear, *bound)}
                connection.execute(update(table).where(*_same(table, row)).values(**changed))
        if not rows:
            return
        yield len(rows)


def _same(table: Table, row: Row[Any]) -> Iterator[ColumnElement[bool]]:
    for column in table.primary_key.columns:
        yield column == getattr(row, column.name)


def _dropped(connection: Connection, key_id: str) -> int:
    """Drop a data key by which nothing is sealed any more; returns how many."""
    connection.execute(select(DATA_KEYS.c.id).where(DATA_KEYS.c.id == key_id).with_for_update())
    for table in SEALED:
        asked = select(table.c.key_id).where(table.c.key_id == key_id).limit(1)
        if connection.scalar(asked) is not None:
            return 0  # the service wrote it a moment ago: it is sealed anew in the next round
    connection.execute(delete(WRAPPINGS).where(WRAPPINGS.c.key_id == key_id))
    return connection.execute(delete(DATA_KEYS).where(DATA_KEYS.c.id == key_id)).rowcount
