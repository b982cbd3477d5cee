"""Finding the wallet that is meant: the one that is named, or the only one there is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from poolhand.cli.masking import refuse_key
from poolhand.cli.passwords import ask_password, told_password
from poolhand.domain.errors import Refused
from poolhand.settings.home import at_home

if TYPE_CHECKING:
    from poolhand.keys.stored import StoredWallet
    from poolhand.settings.load import Settings


class NoWalletNamed(Refused):
    """A wallet is needed, none was named, and the folder does not decide it."""

    def __init__(self, folder: Path, wallets: Sequence[StoredWallet]) -> None:
        super().__init__(_several(folder, wallets) if wallets else _none(folder))


def _none(folder: Path) -> str:
    return (
        f"no wallet: {folder} has none; make one with `poolhand wallet create`, or name a "
        "keystore file with --wallet"
    )


def _several(folder: Path, wallets: Sequence[StoredWallet]) -> str:
    listed = "".join(
        f"\n  {each.address or '(no address)'}  {each.path.name}" for each in wallets[:20]
    )
    more = f"\n  and {len(wallets) - 20} more" if len(wallets) > 20 else ""
    return (
        f"{folder} has {len(wallets)} wallets: name one with --wallet ADDRESS or FILE, or set "
        f"POOLHAND_WALLET{listed}{more}"
    )


def the_wallet(named: str, folder: Path) -> StoredWallet:
    """Return the wallet that is meant, not opened.

    Args:
        named: A keystore file, or an address; empty: the only wallet of ``folder``.
        folder: Of wallets.

    Raises:
        NoWalletNamed: None is named, and the folder has none or several.
        WalletNotFound, KeystoreUnreadable: What is named is no wallet.
        KeyOnCommandLine: It is a private key.
    """
    from poolhand.keys.stored import find_wallet, list_wallets

    if named:
        refuse_key(named)
        return find_wallet(named, folder)
    wallets = list_wallets(folder)
    if len(wallets) != 1:
        raise NoWalletNamed(folder, wallets)
    return wallets[0]


def with_wallet_file(found: Settings) -> Settings:
    """Return a program's settings with the wallet's file, which is not opened.

    Raises:
        NoWalletNamed, WalletNotFound: As they say.
    """
    named = found["wallet"]
    if not named or not at_home(named).is_file():
        stored = the_wallet(named, found["keystore"])
        return found.decided("wallet", str(stored.path), "folder of wallets")
    return found


def with_wallet(found: Settings) -> Settings:
    """Return a program's settings with wallet file and password, asked for if need be.

    Raises:
        NoWalletNamed, WalletNotFound, PasswordMissing, PasswordUnreadable: As they say.
        Abort: Ctrl-C at the question.
    """
    found = with_wallet_file(found)
    password = told_password(found, "wallet-password")
    if not password:
        password = ask_password(f"password of {Path(found['wallet']).name}")
    return found.decided("wallet-password", password, "as told")
