"""What can go wrong with wallets, and what the person at the keyboard does about it."""

from __future__ import annotations

from pathlib import Path

from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.ids import Address


class NotAKey(Refused):
    """Text or bytes that are no secp256k1 private key; the message never repeats them."""

    def __init__(self) -> None:
        super().__init__(
            "this is not a private key: give 64 hexadecimal digits, 0x in front or not, "
            "of a number between 1 and the order of secp256k1"
        )


class WrongPassword(Refused):
    """The password does not open the keystore file."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"wrong password for {path}: try again, or name another wallet file")
        self.path = path


class KeystoreUnreadable(Refused):
    """The file is no Ethereum keystore of version 3."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(
            f"{path} is not a version 3 keystore ({why}): name the file that `wallet create` wrote"
        )
        self.path = path


class WalletNotFound(Refused):
    """No such file, or no wallet of that address."""

    def __init__(self, wanted: str, folder: Path, untold: int = 0) -> None:
        hint = f" ({untold} files there do not tell their address)" if untold else ""
        super().__init__(
            f"no wallet {wanted} in {folder}{hint}: list that folder's wallets, "
            "give the path of a keystore file, or create a wallet"
        )
        self.folder = folder


class WalletExists(Refused):
    """The folder holds this wallet already; it is not overwritten."""

    def __init__(self, address: Address, path: Path) -> None:
        super().__init__(
            f"wallet {address} is already in {path}: open that file, "
            "or move it away before importing the key under a new password"
        )
        self.path = path


class WalletInUse(EndsProgram, Refused):
    """Another process on this machine sends transactions of this wallet."""

    def __init__(self, address: Address, holder: str, verb: str = "") -> None:
        what = f" (`poolhand {verb}`)" if verb else ""
        super().__init__(
            f"wallet {address} is in use by process {holder}{what}: stop that process, "
            "or give this program a wallet of its own"
        )
        self.address, self.holder = address, holder
