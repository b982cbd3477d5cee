"""Secrets as they are typed: from a file or standard input, never as a word of the command."""

from __future__ import annotations

import sys

from poolhand.domain.errors import Refused
from poolhand.domain.sms_secret import MOST_SECRET
from poolhand.settings.home import at_home


class UnreadableSecret(Refused):
    """A file with a secret cannot be read, or has no text."""


def secret_text(file: str) -> str:
    """Return what a file, or standard input for ``-``, has, without a newline at its end.

    Raises:
        UnreadableSecret: It cannot be read, is too long or no text.
    """
    try:
        if file == "-":
            raw = sys.stdin.buffer.read(MOST_SECRET + 2)
        else:
            with at_home(file).open("rb") as opened:
                raw = opened.read(MOST_SECRET + 2)
        return raw.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as fault:
        raise UnreadableSecret(f"no secret can be read from {file}: {fault}") from fault
