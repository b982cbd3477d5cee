"""Passwords and keys: from a file, the environment, or a question; never from the command line."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from poolhand.cli.masking import refuse_key
from poolhand.domain.encodings import decoded
from poolhand.domain.errors import Refused
from poolhand.settings.home import at_home
from poolhand.settings.wallets import password_file

if TYPE_CHECKING:
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


class KeyMissing(Refused):
    """A private key is to be imported and nobody told it."""

    def __init__(self) -> None:
        super().__init__(
            "the private key is missing, and there is no terminal to ask at: give --key-file FILE "
            "('-' reads standard input)"
        )


class PasswordUnreadable(Refused):
    """The password file cannot be read."""


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


def ask_password(about: str, *, fresh: bool = False) -> str:
    """Ask for a password without showing it.

    Args:
        about: The question.
        fresh: It is a new one, to be typed twice.

    Raises:
        PasswordMissing: There is no terminal to ask at.
        PasswordUnreadable: The two differ.
        Abort: Ctrl-C, at once.
    """
    if not sys.stdin.isatty():
        raise PasswordMissing
    password = _asked(about)
    if fresh and _asked("the same again") != password:
        raise PasswordUnreadable("the two passwords differ: try again")
    return password


def ask_key() -> str:
    """Ask for a private key without showing it.

    Raises:
        KeyMissing: There is no terminal to ask at.
        Abort: Ctrl-C, at once.
    """
    if not sys.stdin.isatty():
        raise KeyMissing
    return _asked("private key")


def ask_words() -> str:
    """Ask for recovery words without showing them; raises as ``ask_key``."""
    if not sys.stdin.isatty():
        raise KeyMissing
    return _asked("recovery words")


def _asked(about: str) -> str:
    try:
        with interruptible():
            return getpass.getpass(f"{about}: ")
    except KeyboardInterrupt:
        print(file=sys.stderr)  # the question's line is open
        raise typer.Abort from None


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end a question at once, also below ``asyncio.run``, which only takes note of it.

    The process then ends with 130, the terminal as it was.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
