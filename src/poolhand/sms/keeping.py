"""What an operator does with kept secrets besides serving them: keys, copies, taking over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.ids import Address
from poolhand.domain.json_text import parse_json
from poolhand.domain.result_key import RESULT_KEY_NAME, ResultKey
from poolhand.domain.signatures import BadSignature
from poolhand.domain.sms_secret import SecretKind, SecretPlace
from poolhand.observe.private import private_folder, write_private
from poolhand.settings.sms import MasterKeySource, SecretsAddress
from poolhand.sms.master_key import read_master_key
from poolhand.store.sms.copies import back_up, restore
from poolhand.store.sms.database import SecretsDatabase, audit_rows
from poolhand.store.sms.errors import SecretsUnwritable, SecretThere
from poolhand.store.sms.rotation import RotationReport, rotate
from poolhand.store.sms.sealing import MasterKey, new_key
from poolhand.store.sms.secrets import KeptSecret, SecretStore
from poolhand.store.sql_engine import file_of

MOST_OLD_KEYS: Final = 100_000
"""Keys for results that are taken over from a folder."""


class MasterKeyThere(Refused):
    """A file is there already, and may have a key that nothing could bring back."""


class NotWritten(Refused):
    """A file cannot be written."""


def milliseconds_now() -> int:
    """Return milliseconds since 1970, by the machine's clock."""
    return time.time_ns() // 1_000_000


def folders_of(address: SecretsAddress) -> tuple[Path, ...]:
    """Return where secrets lie: no master key may be there."""
    file = file_of(address.database)
    return (address.folder, file.parent) if file else (address.folder,)


def open_secrets(address: SecretsAddress, *, holds: bool = True) -> SecretsDatabase:
    """Open the secrets of a service.

    Args:
        address: Where they are.
        holds: For the service itself; else beside it.

    Raises:
        MasterKeyBesideSecrets, UnfitMasterKey, MasterKeyOutOfReach: The master key will not do.
        SecretsLocked, SecretsTooNew, SecretsUnwritable: The database cannot be used.
    """
    master = read_master_key(address.master, folders_of(address))
    try:
        for folder in folders_of(address):
            private_folder(folder)
    except OSError as fault:
        raise SecretsUnwritable(str(address.folder), fault.strerror or str(fault)) from fault
    return SecretsDatabase(address.database, master, milliseconds_now, holds=holds)


@contextmanager
def _beside(address: SecretsAddress) -> Iterator[tuple[SecretsDatabase, int]]:
    """Open secrets beside their service, with the number of their chain."""
    with closing(open_secrets(address, holds=False)) as database:
        yield database, database.open_as_it_is()


def make_master_key(file: Path) -> str:
    """Write a new master key; returns its name.

    Raises:
        MasterKeyThere, NotWritten: It cannot be written there.
    """
    if file.exists():
        raise MasterKeyThere(f"{file} is there already: name another file")
    raw = new_key()
    _write(file, raw.hex() + "\n")
    return MasterKey(raw).name


def rotate_keys(address: SecretsAddress, new_master: MasterKeySource | None) -> RotationReport:
    """Seal all anew; raises as ``store.sms.rotation.rotate``, and as ``open_secrets``."""
    folders = folders_of(address)
    new = None if new_master is None else read_master_key(new_master, folders)
    with _beside(address) as (database, chain_id):
        return rotate(database, chain_id, new)


def take_backup(file: Path, address: SecretsAddress) -> int:
    """Write an encrypted copy; returns how many secrets it has.

    Raises:
        MasterKeyThere, NotWritten: The file is there already, or cannot be written.
    """
    if file.exists():
        raise MasterKeyThere(f"{file} is there already: name another file")
    with _beside(address) as (database, _):
        try:
            return back_up(database, file)
        except OSError as fault:
            raise NotWritten(f"{file} cannot be written: {fault.strerror}") from fault


def restored(file: Path, address: SecretsAddress) -> int:
    """Bring a backup into an empty database; raises as ``store.sms.copies.restore``."""
    with closing(open_secrets(address)) as database:
        return restore(database, file)


def told_audit(limit: int, address: SecretsAddress) -> list[dict[str, Any]]:
    """Return the newest rows of the audit log, the newest first."""
    with _beside(address) as (database, _):
        return audit_rows(database, limit)


async def take_over(folder: Path, address: SecretsAddress, store: str) -> tuple[int, int, int]:
    """Take over keys for results from a results service's folder, each with its signature.

    Returns:
        How many were taken, were there already, and are signed by nobody or do not read.
    """
    taken = there = unfit = 0
    with _beside(address) as (database, chain_id):
        secrets = SecretStore(database, store, chain_id, MOST_OLD_KEYS)
        for file in await asyncio.to_thread(_old_files, folder):
            found = await asyncio.to_thread(_old_key, file)
            if found is None:
                unfit += 1
                continue
            place = SecretPlace(SecretKind.WEB2, found[0], RESULT_KEY_NAME)
            try:
                await secrets.add(place, found[1], "import")
                taken += 1
            except SecretThere:
                there += 1
    return taken, there, unfit


def _old_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("0x*.json"))[:MOST_OLD_KEYS]


def _old_key(file: Path) -> tuple[Address, KeptSecret] | None:
    try:
        told = parse_json(file.read_bytes())
        key = ResultKey(Address.parse(file.stem), told["value"], bytes.fromhex(told["signature"]))
        key.check()
        replaced = tuple(map(str, told.get("replaced", ())))
    except EndsProgram:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, Refused, BadSignature):
        return None
    return key.owner, KeptSecret(key.value.encode(), key.signature, replaced)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, text, lasting=True)
    except OSError as fault:
        raise NotWritten(f"{file} cannot be written: {fault.strerror}") from fault
