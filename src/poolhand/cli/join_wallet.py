"""The wallet of a worker that joins: a new one, one of the folder of wallets, a key, or words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from poolhand.cli.join_folder import JoinFolder
from poolhand.cli.passwords import ask_key, ask_words, interruptible
from poolhand.cli.saying import say
from poolhand.domain.ids import Address
from poolhand.keys.errors import WalletExists
from poolhand.keys.keystore import create_wallet, import_wallet, open_wallet
from poolhand.keys.named import STANDARD_INPUT, read_password, the_wallet
from poolhand.keys.stored import StoredWallet, list_wallets
from poolhand.settings.home import at_home

if TYPE_CHECKING:
    from poolhand.cli.command_run import CommandRun

NEW, KEY, WORDS, STORED = "new", "key", "words", "stored"
_ANSWERS: Final = {"n": NEW, "k": KEY, "w": WORDS}


@dataclass(frozen=True, slots=True)
class WalletWish:
    """Which wallet the worker is to have, as far as it was said beforehand.

    Attributes:
        named: A keystore file or an address; empty: none is named.
        key_file: Holds a private key; ``-``: standard input.
        words_file: Holds recovery words; ``-``: standard input.
        asks: Whether there is a person to ask.
    """

    named: str = ""
    key_file: str = ""
    words_file: str = ""
    asks: bool = False


@dataclass(frozen=True, slots=True)
class WorkerKeystore:
    """A wallet's address, where it will lie for good, and the file with its password."""

    address: Address
    wallet: Path
    password_file: Path


def get_wallet(command: CommandRun, wish: WalletWish, folder: JoinFolder) -> WorkerKeystore:
    """Make or take the wallet of a worker; a new one is staged until its settings are written.

    Raises:
        PasswordMissing, KeyMissing, NotAKey, NotRecoveryWords, WalletExists, WrongPassword,
        WalletNotFound, …: What the person must change.
    """
    keystore = at_home(command.found["keystore"])
    kind, named = _kind(wish, keystore)
    if kind == STORED:
        stored = the_wallet(named, keystore)
        password = _password_of(command, stored)
        address = open_wallet(stored.path, keystore, password).address
        return WorkerKeystore(address, stored.path.absolute(), _kept(command, folder, password))
    key = _key(kind, wish)
    password = command.new_password()
    kept, staged = _kept(command, folder, password), folder.stage()
    for left in staged.iterdir():  # of a command that was cut off before it told any address
        left.unlink()
    made = import_wallet(staged, key, password) if key else create_wallet(staged, password)
    assert made.address is not None
    for other in list_wallets(keystore):
        if other.address == made.address:
            made.path.unlink()
            raise WalletExists(made.address, other.path)
    return WorkerKeystore(made.address, keystore.absolute() / made.path.name, kept)


def _key(kind: str, wish: WalletWish) -> str:
    if kind == KEY:
        return read_password(wish.key_file) if wish.key_file else ask_key()
    if kind == WORDS:
        from poolhand.keys.words import key_of_words

        return key_of_words(read_password(wish.words_file) if wish.words_file else ask_words())
    return ""


def _kind(wish: WalletWish, keystore: Path) -> tuple[str, str]:
    """Return which kind of wallet is meant, and a stored one's name."""
    if wish.named:
        return STORED, wish.named
    if wish.key_file or wish.words_file:
        return (KEY if wish.key_file else WORDS), ""
    return _asked(list_wallets(keystore)) if wish.asks else (NEW, "")


def _asked(stored: tuple[StoredWallet, ...]) -> tuple[str, str]:
    """Ask which wallet the worker is to have."""
    say("A worker needs a wallet of its own, which nothing else uses:")
    for number, each in enumerate(stored, 1):
        say(f"  {number}  {each.address or each.path.name}")
    say("  n  make a new one")
    say("  k  import a private key")
    say("  w  import recovery words")
    while True:
        with interruptible():
            answer = typer.prompt("Which", default="n", err=True).strip().lower()
        if answer in _ANSWERS:
            return _ANSWERS[answer], ""
        if answer.isdecimal() and 1 <= int(answer) <= len(stored):
            return STORED, str(stored[int(answer) - 1].path)


def _password_of(command: CommandRun, stored: StoredWallet) -> str:
    from poolhand.cli.passwords import ask_password
    from poolhand.keys.named import told_password

    told = told_password(command.found, "password")
    return told or ask_password(f"password of {stored.path.name}")


def _kept(command: CommandRun, folder: JoinFolder, password: str) -> Path:
    """Return the file that has the password: the one that was named, else one of the folder."""
    named = str(command.found["password-file"])
    if named and named != STANDARD_INPUT:
        return at_home(named).absolute()
    return folder.keep_password(password)
