"""Texts that look like private keys, which belong on no command line."""

from __future__ import annotations

import re
from typing import Final

from poolhand.domain.errors import Refused

_KEY: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64}")


class KeyOnCommandLine(Refused):
    """What looks like a private key stands where everybody on the machine can read it."""

    def __init__(self) -> None:
        super().__init__(
            "this looks like a private key: what is typed as an argument can be read by others "
            "and stays in the shell's history. Nothing was done with it. Put it into a file of "
            "your own and type `poolhand wallet import --key-file FILE`, or type `poolhand wallet "
            "import` and paste it where it is asked for"
        )


def is_key(text: str) -> bool:
    """Whether a text looks like a private key."""
    return _KEY.fullmatch(text.strip()) is not None


def refuse_key(text: str) -> None:
    """Refuse a key where a name is expected; raises KeyOnCommandLine."""
    if is_key(text):
        raise KeyOnCommandLine
