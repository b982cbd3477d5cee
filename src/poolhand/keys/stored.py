"""Wallets as they lie in a folder, not opened: no key is touched, nothing slow is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poolhand.domain.errors import BadHex
from poolhand.domain.ids import Address
from poolhand.keys.errors import WalletNotFound
from poolhand.keys.reading import claimed_address, keystore_files, read_keystore
from poolhand.settings.home import at_home


@dataclass(frozen=True, slots=True)
class StoredWallet:
    """A keystore file and the address it claims to hold, None when it tells none."""

    address: Address | None
    path: Path

    @property
    def name(self) -> str:
        """What to call it: its address, or its file where that does not tell one."""
        return self.path.name if self.address is None else str(self.address)


def list_wallets(folder: Path) -> tuple[StoredWallet, ...]:
    """Return the wallets of a folder, oldest first; a missing folder has none.

    Files that are no keystores are passed over, whatever their names.
    """
    return tuple(
        StoredWallet(claimed_address(content), path)
        for path, content in keystore_files(at_home(folder))
    )


def find_wallet(which: str | Path | Address, folder: Path) -> StoredWallet:
    """Find a wallet without opening it, by path or by address as ``open_wallet`` does.

    Raises:
        WalletNotFound: No such file, and no wallet of that address.
        KeystoreUnreadable: The file is no version 3 keystore.
    """
    path = locate(which, at_home(folder))
    return StoredWallet(claimed_address(read_keystore(path)), path)


def locate(which: str | Path | Address, folder: Path) -> Path:
    """Return the keystore file that is meant, the newest where an address has several.

    Raises:
        WalletNotFound: No such file, and no wallet of that address.
    """
    if not isinstance(which, Address):
        path = at_home(which)
        if path.is_file():
            return path
        try:
            which = Address.parse(str(which))
        except BadHex:
            raise WalletNotFound(str(which), folder) from None
    wallets = list_wallets(folder)
    found = [stored.path for stored in wallets if stored.address == which]
    if not found:
        untold = sum(stored.address is None for stored in wallets)
        raise WalletNotFound(str(which), folder, untold)
    return found[-1]
