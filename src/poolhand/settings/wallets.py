"""Which wallet a program uses, and where its password comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from poolhand.settings.load import BadSetting, Option, Settings

DEFAULT_KEYSTORE: Final = Path("~/.ethereum/keystore")
"""Where the iExec SDK keeps wallets."""
KEYSTORE: Final = Option(
    "keystore", "POOLHAND_KEYSTORE", Path, str(DEFAULT_KEYSTORE), "folder of wallets"
)
PASSWORD_FILE: Final = Option(
    "password-file",
    "POOLHAND_WALLET_PASSWORD_FILE",
    str,
    "",
    "file whose first line is the wallet's password; '-': standard input; empty: it is asked for",
)


def wallet_options(whose: str, path_variable: str, password_variable: str) -> tuple[Option, ...]:
    """Return the options of a program that signs.

    Args:
        whose: For a person.
        path_variable: iExec's name of the file, in the environment.
        password_variable: iExec's name of the password.
    """
    return (
        Option("wallet", path_variable, str, "",
               f"keystore file {whose}, or an address in the folder of wallets; empty: the only "
               "wallet there", also=("POOLHAND_WALLET",)),
        KEYSTORE,
        PASSWORD_FILE,
        Option("wallet-password", password_variable, str, "",
               "the wallet's password; as a flag it can be read by others of this machine",
               secret=True, also=("POOLHAND_WALLET_PASSWORD",)),
    )  # fmt: skip


def wallet_path(found: Settings) -> Path:
    """Return the keystore file; raises BadSetting where none is named."""
    if not found["wallet"]:
        raise BadSetting(
            "no wallet is named: give --wallet (a keystore file, or an address in the folder of "
            "wallets), or make one with `poolhand wallet create`"
        )
    return Path(found["wallet"])


def password_file(found: Settings, text: str) -> str:
    """Return the file that has the password; empty where its text counts, or nothing is known.

    Args:
        found: The settings.
        text: The key of the setting with the password itself; it counts where its origin is
            stronger, such as a flag beside a file that the environment names.
    """
    told = found[text] and found.rank(text) > found.rank("password-file")
    return "" if told else str(found["password-file"])
