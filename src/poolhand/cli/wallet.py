"""``poolhand wallet``: keystore files, as the iExec SDK writes them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from poolhand.cli.command_run import CommandRun
from poolhand.cli.confirming import confirm
from poolhand.cli.parts import KeyFileOption
from poolhand.cli.passwords import ask_key, ask_password
from poolhand.cli.verb import Answer, noun, verb
from poolhand.domain.errors import Refused
from poolhand.domain.key_text import KeyOnCommandLine
from poolhand.keys.named import read_password

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.keys.stored import StoredWallet

app = noun("Create, import, list and export wallets; send RLC and coin.")

KeystoreOption = Annotated[
    str, typer.Option("--keystore", metavar="FOLDER", help="[$POOLHAND_KEYSTORE]")
]
ToOption = Annotated[
    str, typer.Option(metavar="FILE", help="A file that is not there, or a folder.")
]
PrivateKeyFlag = Annotated[
    bool, typer.Option("--private-key", help="The private key itself, not encrypted.")
]
WalletYesFlag = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
NewPasswordOption = Annotated[
    str, typer.Option(metavar="FILE", help="Its first line is the new password; else it is asked.")
]
SendArgument = Annotated[
    list[str], typer.Argument(metavar="AMOUNT ADDRESS", help="How much of what, and to whom.")
]
QrFlag = Annotated[
    bool, typer.Option("--qr", help="Draw the address, too, for a telephone that sends it money.")
]
KeyArgument = Annotated[str, typer.Argument(metavar="[KEY]", hidden=True)]


ADDRESS_UNTOLD: Final = "(told once it is opened)"
"""Stands for the address of a keystore file that does not name it."""


class DevnetPassword(Refused):
    """The password of a devnet's account cannot be changed."""

    def __init__(self) -> None:
        super().__init__(
            "an account of the devnet keeps its password, which the devnet's programs read from a "
            "file: name a wallet of your own with --wallet"
        )


@verb(app, "create", example="poolhand wallet create --password-file secret.txt", local=True)
def create(command: CommandRun, keystore: KeystoreOption = "") -> Answer:
    """Make a new wallet and encrypt it with a password."""
    from poolhand.keys.keystore import create_wallet

    return _stored(create_wallet(_folder(command, keystore), command.new_password()))


@verb(app, "import", example="poolhand wallet import --key-file key.txt", local=True)
def import_(
    command: CommandRun,
    key: KeyArgument = "",
    key_file: KeyFileOption = "",
    keystore: KeystoreOption = "",
) -> Answer:
    """Encrypt a private key, from a file or asked for, with a password.

    The key is never an argument: others of this machine could read it.
    """
    if key:
        raise KeyOnCommandLine
    key = read_password(key_file) if key_file else ask_key()
    from poolhand.keys.keystore import import_wallet

    return _stored(import_wallet(_folder(command, keystore), key, command.new_password()))


@verb(app, "list", example="poolhand wallet list --json", local=True)
def list_(command: CommandRun, keystore: KeystoreOption = "") -> Answer:
    """List the wallets of the keystore folder, oldest first."""
    from poolhand.keys.stored import list_wallets

    folder = _folder(command, keystore)
    found = list_wallets(folder)
    return Answer([_members(each) for each in found], lambda: _table(found, folder))


@verb(app, "show", example="poolhand wallet show --as worker-1")
def show(command: CommandRun, qr: QrFlag = False) -> Answer:
    """Tell which wallet the other verbs would use; no password needed."""
    stored = command.stored
    return _coded(stored) if qr and stored.address is not None else _stored(stored)


@verb(
    app, "send", example="poolhand wallet send 1.5 RLC 0x4F1C3a7B9D2e8F60514233241506f7e8D9CaBBCD"
)
async def send_(command: CommandRun, what: SendArgument, yes: WalletYesFlag = False) -> Answer:
    """Send RLC or the chain's coin to an address; it says how much to whom, and asks.

    The amount has a unit: RLC, nRLC, ETH, xRLC, gwei or wei. A payment whose end was not told,
    because the chain did not answer, is finished by the same command and not paid twice.
    """
    from poolhand.cli.sending import read_payment, send

    return await send(command, read_payment(what), yes=yes)


@verb(app, "export", example="poolhand wallet export --to backup.json", local=True)
def export(
    command: CommandRun,
    to: ToOption,
    private_key: PrivateKeyFlag = False,
    yes: WalletYesFlag = False,
) -> Answer:
    """Copy a wallet's keystore file, or write its private key into a file, for its owner alone.

    A keystore file stays encrypted with the wallet's password. A private key is not: whoever reads
    that file has the wallet, so it asks first.
    """
    from poolhand.keys.moving import copy_keystore, export_key

    stored = command.stored
    if private_key:
        about = f"write the private key of {stored.name}, not encrypted, into {to}"
        confirm(about, yes=yes)
        path = export_key(stored, command.password(), Path(to))
    else:
        path = copy_keystore(stored, Path(to))
    members = {**_members(stored), "file": str(path), "encrypted": not private_key}
    kind = "private key, not encrypted" if private_key else "keystore file"
    rows = (("address", stored.address or ADDRESS_UNTOLD), (kind, path))
    return _shown(members, rows)


@verb(
    app,
    "change-password",
    example="poolhand wallet change-password",
    local=True,
)
def change_password_(command: CommandRun, new_password_file: NewPasswordOption = "") -> Answer:
    """Encrypt a wallet with another password, in its own file; the old one opens it no more.

    Copies made before keep the old password.
    """
    from poolhand.keys.moving import change_password

    if command.account_if_any is not None:
        raise DevnetPassword
    stored, old = command.stored, command.password()
    if new_password_file:
        new = read_password(new_password_file)
    else:
        new = ask_password("the new password", fresh=True)
    return _stored(change_password(stored, old, new))


def _folder(command: CommandRun, keystore: str) -> Path:
    return Path(keystore) if keystore else Path(command.found["keystore"])


def _table(found: tuple[StoredWallet, ...], folder: Path) -> RenderableType:
    from poolhand.cli.render import grid

    if not found:
        return f"no wallet in {folder}: make one with `poolhand wallet create`"
    return grid(
        ("address", "file"), ((each.address or ADDRESS_UNTOLD, each.path) for each in found)
    )


def _members(stored: StoredWallet) -> dict[str, Any]:
    address = None if stored.address is None else str(stored.address)
    return {"address": address, "keystore": str(stored.path)}


def _stored(stored: StoredWallet) -> Answer:
    return _shown(
        _members(stored), (("address", stored.address or ADDRESS_UNTOLD), ("file", stored.path))
    )


def _coded(stored: StoredWallet) -> Answer:
    """Answer with the address as a telephone reads it, below what is told anyway."""
    from rich.console import Group

    from poolhand.cli.qr_code import coloured_code

    told, code = _stored(stored), coloured_code(str(stored.address))
    return Answer(told.members, lambda: Group(told.shown(), code))


def _shown(members: dict[str, Any], rows: tuple[tuple[str, Any], ...]) -> Answer:
    from poolhand.cli.render import pairs

    return Answer(members, lambda: pairs(rows))
