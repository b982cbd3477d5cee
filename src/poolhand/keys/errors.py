"""What can go wrong with wallets, and what the person at the keyboard does about it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from poolhand.domain.errors import EndsProgram, Refused
from poolhand.domain.ids import Address


class NotAKey(Refused):
    """Text or bytes that are no secp256k1 private key; the message never repeats them."""

    def __init__(self) -> None:
        super().__init__(
            "this is not a private key: give 64 hexadecimal digits, 0x in front or not, "
            "of a number between 1 and the order of secp256k1"
        )


LASTING_PROGRAMS: Final = frozenset({"worker start", "pool serve"})
"""Programs that hold their wallet until they are stopped."""


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


@dataclass(frozen=True, slots=True)
class OrdersTaken:
    """Where a program takes orders for the wallet that it holds, and the token they must carry."""

    url: str
    token: str = field(repr=False)


class WalletInUse(EndsProgram, Refused):
    """Another process on this machine sends transactions of this wallet.

    Attributes:
        address: The wallet.
        holder: The process id.
        verb: What was typed to start it; empty where that is not known.
        orders: Where it takes orders for the wallet; None where it takes none.
    """

    def __init__(
        self, address: Address, holder: str, verb: str = "", orders: OrdersTaken | None = None
    ) -> None:
        what = f" (`poolhand {verb}`)" if verb else ""
        instead = "to deposit, use `poolhand account deposit`; else " if orders else ""
        super().__init__(
            f"wallet {address} is in use by process {holder}{what}: {instead}stop that process, "
            "or give this program a wallet of its own"
        )
        self.address, self.holder, self.verb, self.orders = address, holder, verb, orders

    @property
    def is_lasting(self) -> bool:
        """Whether the program is one that runs until it is stopped, so that waiting is no use."""
        return self.verb in LASTING_PROGRAMS
