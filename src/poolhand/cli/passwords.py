"""Questions for passwords and keys: what is typed is not shown, and Ctrl-C ends one at once."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from poolhand.domain.errors import Refused
from poolhand.keys.named import PasswordMissing, PasswordUnreadable


class KeyMissing(Refused):
    """A private key is to be imported and nobody told it."""

    def __init__(self) -> None:
        super().__init__(
            "the private key is missing, and there is no terminal to ask at: give --key-file FILE "
            "('-' reads standard input)"
        )


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
