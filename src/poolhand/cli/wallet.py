"""``poolhand wallet``: keystore files, as the iExec SDK writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from poolhand.cli.desk import Desk
from poolhand.cli.masking import KeyOnCommandLine
from poolhand.cli.passwords import ask_key, read_password
from poolhand.cli.render import grid, pairs
from poolhand.cli.verb import Answer, noun, verb
from poolhand.keys import create_wallet, import_wallet, list_wallets

if TYPE_CHECKING:
    from poolhand.keys import StoredWallet

app = noun("Create, import and list wallets.")

KeystoreOption = Annotated[
    str, typer.Option("--keystore", metavar="FOLDER", help="[$POOLHAND_KEYSTORE]")
]
KeyFileOption = Annotated[
    str,
    typer.Option(metavar="FILE", help="Its first line is the private key; '-': standard input."),
]
KeyArgument = Annotated[str, typer.Argument(metavar="[KEY]", hidden=True)]


@verb(app, "create", example="poolhand wallet create --password-file secret.txt", local=True)
def create(desk: Desk, keystore: KeystoreOption = "") -> Answer:
    """Make a new wallet and encrypt it with a password."""
    return _stored(create_wallet(_folder(desk, keystore), desk.password(fresh=True)))


@verb(app, "import", example="poolhand wallet import --key-file key.txt", local=True)
def import_(
    desk: Desk, key: KeyArgument = "", key_file: KeyFileOption = "", keystore: KeystoreOption = ""
) -> Answer:
    """Encrypt a private key, from a file or asked for, with a password.

    The key is never an argument: others of this machine could read it.
    """
    if key:
        raise KeyOnCommandLine
    key = read_password(key_file) if key_file else ask_key()
    return _stored(import_wallet(_folder(desk, keystore), key, desk.password(fresh=True)))


@verb(app, "list", example="poolhand wallet list --json", local=True)
def list_(desk: Desk, keystore: KeystoreOption = "") -> Answer:
    """List the wallets of the keystore folder, oldest first."""
    found = list_wallets(_folder(desk, keystore))
    return Answer(
        [_members(each) for each in found],
        lambda: grid(("address", "file"), ((each.address, each.path) for each in found)),
    )


@verb(app, "show", example="poolhand wallet show --as worker-1")
def show(desk: Desk) -> Answer:
    """Tell which wallet the other verbs would use; no password needed."""
    return _stored(desk.stored)


def _folder(desk: Desk, keystore: str) -> Path:
    return Path(keystore) if keystore else Path(desk.found["keystore"])


def _members(stored: StoredWallet) -> dict[str, Any]:
    return {"address": str(stored.address), "keystore": str(stored.path)}


def _stored(stored: StoredWallet) -> Answer:
    return Answer(
        _members(stored), lambda: pairs((("address", stored.address), ("file", stored.path)))
    )
