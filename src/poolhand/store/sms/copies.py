"""Backups of a database of secrets: one file, encrypted as a whole, that the master key opens.

A line of JSON tells what it is; each line after it is a sealed piece, bound to its number and to
whether it is the last, so that nothing can be left out, cut off or put elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from secrets import token_hex
from typing import Any, Final

from sqlalchemy import Connection, Table, func, insert, select

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.json_text import parse_json
from poolhand.observe.private import write_private
from poolhand.store.sms.database import SecretsDatabase, note_in_audit
from poolhand.store.sms.errors import SealBroken, WrongMasterKey
from poolhand.store.sms.schema import (
    AUDIT,
    DATA_KEYS,
    MASTERS,
    SECRETS,
    SECRETS_IDENTITY,
    WRAPPINGS,
)
from poolhand.store.sms.sealing import MasterKey, SealingKey
from poolhand.store.sms.secrets import sealed_place

COPIED: Final = (SECRETS_IDENTITY, MASTERS, DATA_KEYS, WRAPPINGS, SECRETS, AUDIT)
"""Tables that a backup has, in the order in which they are filled."""
ROWS_OF_PIECE: Final = 200
MOST_BACKUP: Final = 8 * 1024**3
"""Bytes of a backup that is read."""
_COUNTED: Final = "n"
"""The column that each database counts by itself; rows come in its order."""
_FORMAT: Final = "poolhand sms backup 1"


class SecretsThere(Refused):
    """A database holds secrets: nothing is restored into it."""

    def __init__(self) -> None:
        super().__init__(
            "the database holds secrets: restore into an empty one (another --folder or --database)"
        )


class BackupBroken(Malformed):
    """A file is no backup, or it was cut off or altered."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"{file} cannot be restored ({why}): take another backup")


def back_up(database: SecretsDatabase, file: Path) -> int:
    """Write a backup, whole or not at all; the service may run meanwhile.

    Returns:
        How many secrets it has.

    Raises:
        OSError: The file cannot be written.
        SecretsUnwritable: The database does not answer.
    """
    with database.at_once() as connection:
        pieces = list(_pieces(connection))
        number = connection.scalar(select(func.count()).select_from(SECRETS)) or 0
        note_in_audit(connection, database.now(), "backed up")
    salt, master = token_hex(16), database.keys.master
    head = {"format": _FORMAT, "master": master.name, "salt": salt}
    key = _key_of(master, salt)
    lines = [json.dumps(head)]
    for place, piece in enumerate(pieces):
        is_last = int(place == len(pieces) - 1)
        lines.append(key.seal(json.dumps(piece).encode(), "backup", place, is_last))
    write_private(file, "\n".join(lines) + "\n", lasting=True)
    return number


def restore(database: SecretsDatabase, file: Path) -> int:
    """Bring a backup into an empty database, in one transaction.

    Args:
        database: Whose keys are not open yet.
        file: The backup.

    Returns:
        How many secrets it had.

    Raises:
        WrongMasterKey: The backup was made under another one; nothing was changed.
        BackupBroken: It is none, or was altered; nothing was changed.
        SecretsThere: The database is not empty; nothing was changed.
    """
    master = database.keys.master
    pieces = list(_read(file, master))
    with database.at_once() as connection:
        if connection.scalar(select(DATA_KEYS.c.n).limit(1)) is not None:
            raise SecretsThere
        for name, rows in pieces:
            connection.execute(insert(_table(file, name)), rows)
        chain_id = connection.scalar(select(SECRETS_IDENTITY.c.chain_id))
        number = _check(connection, database, file, int(chain_id or 0))
        note_in_audit(connection, database.now(), "restored")
    return number


def _check(connection: Connection, database: SecretsDatabase, file: Path, chain_id: int) -> int:
    number = 0
    for row in connection.execute(select(SECRETS)):
        key = database.keys.named(connection, row.key_id)
        try:
            key.open(row.box, *sealed_place(chain_id, dict(row._mapping)))  # noqa: SLF001
        except SealBroken as fault:
            raise BackupBroken(file, str(fault)) from fault
        number += 1
    return number


def _pieces(connection: Connection) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for table in COPIED:
        columns = [each for each in table.columns if each.name != _COUNTED]
        asked = select(*columns).order_by(*table.primary_key.columns)
        found = [dict(row._mapping) for row in connection.execute(asked)]  # noqa: SLF001
        yield from ((table.name, piece) for piece in _some(found))
    yield "", []


def _some(rows: list[dict[str, Any]]) -> Iterable[list[dict[str, Any]]]:
    return (rows[at : at + ROWS_OF_PIECE] for at in range(0, len(rows), ROWS_OF_PIECE))


def _key_of(master: MasterKey, salt: str) -> SealingKey:
    return master.derived(f"backup {salt}")


def _read(file: Path, master: MasterKey) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    head, lines = _lines(file)
    if head["master"] != master.name:
        raise WrongMasterKey(master.name, head["master"])
    key = _key_of(master, head["salt"])
    for place, line in enumerate(lines):
        try:
            clear = key.open(line, "backup", place, int(place == len(lines) - 1))
        except SealBroken as fault:
            raise BackupBroken(file, "it was cut off or altered") from fault
        name, rows = json.loads(clear)
        if name:
            yield name, rows


def _lines(file: Path) -> tuple[dict[str, str], list[str]]:
    """Return what a backup says of itself, and its sealed pieces: one at least."""
    try:
        if file.stat().st_size > MOST_BACKUP:
            raise BackupBroken(file, "it is too large")
        first, *lines = file.read_text(encoding="ascii").splitlines() or [""]
        told = parse_json(first.encode())
        head = {name: str(told[name]) for name in ("format", "master", "salt")}
    except (OSError, ValueError, KeyError, TypeError) as fault:
        raise BackupBroken(file, str(fault) or type(fault).__name__) from fault
    if head["format"] != _FORMAT or not lines:
        raise BackupBroken(file, "it is no backup of secrets, or was cut off")
    return head, lines


def _table(file: Path, name: str) -> Table:
    for table in COPIED:
        if table.name == name:
            return table
    raise BackupBroken(file, f"it has a table {name!r} that is unknown here")
