"""The wallet that settings name, not opened, and the password that they tell; nothing is asked."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from poolhand.domain.encodings import decoded
from poolhand.domain.errors import Refused
from poolhand.domain.key_text import refuse_key
from poolhand.settings.home import at_home
from poolhand.settings.wallets import password_file

if TYPE_CHECKING:
    from poolhand.keys.stored import StoredWallet
    from poolhand.settings.load import Settings

STANDARD_INPUT: Final = "-"
MOST_PASSWORD_FILE: Final = 65_536
"""Bytes of a password file that are looked at."""


class PasswordMissing(Refused):
    """A wallet has to be opened and nobody told its password."""

    def __init__(self) -> None:
        super().__init__(
            "the wallet's password is missing, and there is no terminal to ask at: give "
            "--password-file FILE ('-' reads standard input), or set "
            "POOLHAND_WALLET_PASSWORD_FILE or POOLHAND_WALLET_PASSWORD"
        )


class PasswordUnreadable(Refused):
    """The password file cannot be read."""


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
    from poolhand.keys.stored import find_wallet, list_wallets  # noqa: PLC0415 - few verbs need it

    if named:
        refuse_key(named)
        return find_wallet(named, folder)
    wallets = list_wallets(folder)
    if len(wallets) != 1:
        raise NoWalletNamed(folder, wallets)
    return wallets[0]


def read_password(path: str | Path) -> str:
    """Return the first line of a file, ``-`` being standard input.

    Raises:
        PasswordUnreadable: It cannot be read, or has no first line.
        KeyOnCommandLine: A key was given in its place.
    """
    refuse_key(str(path))
    try:
        text = _content(path)
    except (OSError, ValueError) as fault:
        why = fault.strerror if isinstance(fault, OSError) else str(fault)
        raise PasswordUnreadable(f"cannot read the password file {path}: {why}") from None
    line = text.partition("\n")[0].removesuffix("\r")
    if not line:
        raise PasswordUnreadable(
            f"the password file {path} begins with an empty line: write the password there"
        )
    return line


def _content(path: str | Path) -> str:
    if str(path) == STANDARD_INPUT:
        return sys.stdin.readline(MOST_PASSWORD_FILE).removeprefix("\ufeff")
    with at_home(path).open("rb") as file:
        return decoded(file.read(MOST_PASSWORD_FILE))


def told_password(found: Settings, text: str) -> str:
    """Return the password that settings tell, by file or by text; empty when they tell none.

    Args:
        found: With ``password-file`` and ``text``.
        text: The key of the setting with the password itself.
    """
    file = password_file(found, text)
    return read_password(file) if file else str(found[text])
