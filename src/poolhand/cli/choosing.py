"""A program's settings with the wallet that is meant, and its password."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from poolhand.cli.passwords import ask_password
from poolhand.keys.named import the_wallet, told_password
from poolhand.settings.home import at_home

if TYPE_CHECKING:
    from poolhand.settings.load import Settings


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
