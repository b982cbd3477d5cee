"""Taking a wallet elsewhere, and giving it another password."""

from __future__ import annotations

from pathlib import Path

from poolhand.domain.errors import Refused
from poolhand.keys.keystore import (
    KEYSTORE_SCRYPT_COST,
    open_wallet,
    sealed,
)
from poolhand.keys.stored import StoredWallet
from poolhand.keys.wallet import encrypted
from poolhand.observe.private import write_private
from poolhand.settings.home import at_home


class FileExists(Refused):
    """A file that is to be written is there already."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{path} is there already and is not overwritten: name another file")


class FileUnwritable(Refused):
    """A file cannot be written where it is wanted."""

    def __init__(self, path: Path, fault: OSError) -> None:
        super().__init__(
            f"cannot write {path} ({fault.strerror}): name a file in a folder of your own"
        )


def copy_keystore(stored: StoredWallet, target: Path) -> Path:
    """Copy a keystore file, readable by its owner alone; it stays encrypted.

    Args:
        stored: The wallet.
        target: A file that is not there yet, or a folder.

    Raises:
        FileExists: It is there.
    """
    return _written(_file(target, stored.path.name), stored.path.read_bytes())


def export_key(stored: StoredWallet, password: str, target: Path) -> Path:
    """Write a wallet's private key, not encrypted, into a file readable by its owner alone.

    Raises:
        FileExists: It is there.
        WrongPassword, KeystoreUnreadable: The wallet does not open.
    """
    wallet = open_wallet(stored.path, stored.path.parent, password)
    text: str = encrypted(wallet, lambda key: f"0x{key.hex()}\n")
    return _written(_file(target, f"{wallet.address}.key"), text)


def change_password(
    stored: StoredWallet, old: str, new: str, *, cost: int = KEYSTORE_SCRYPT_COST
) -> StoredWallet:
    """Encrypt a wallet anew in its own file; whatever happens the file is one of both, whole.

    Args:
        stored: The wallet.
        old: Its password until now.
        new: From now on.
        cost: n of scrypt.

    Raises:
        WrongPassword, KeystoreUnreadable: The wallet does not open; nothing was changed.
    """
    wallet = open_wallet(stored.path, stored.path.parent, old)
    path = stored.path.resolve()
    try:
        write_private(path, sealed(wallet, new, cost), lasting=True)
    except OSError as fault:
        raise FileUnwritable(path, fault) from fault
    return StoredWallet(wallet.address, stored.path)


def _file(target: Path, name: str) -> Path:
    place = at_home(target)
    return place / name if place.is_dir() else place


def _written(path: Path, content: str | bytes) -> Path:
    if path.exists():
        raise FileExists(path)
    try:
        write_private(path, content, lasting=True)
    except OSError as fault:
        raise FileUnwritable(path, fault) from fault
    return path
