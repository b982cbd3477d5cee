"""What a person typed and nobody else should read: keys and passwords are never repeated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from poolhand.domain.errors import Refused

_KEY: Final = re.compile(r"(?:0[xX])?[0-9a-fA-F]{64}")
_SECRET_FLAG: Final = re.compile(r"--[a-z-]*password")
MASKED_VALUE: Final = "***"


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


def masked(arguments: Sequence[str]) -> list[str]:
    """Return what was typed without passwords and, where wallets are meant, without keys."""
    told, hide_next = [], False
    about_wallets = "wallet" in arguments[:1]
    for each in arguments:
        name, found, _ = each.partition("=")
        if hide_next or (about_wallets and is_key(each)):
            told.append(MASKED_VALUE)
        else:
            told.append(
                f"{name}={MASKED_VALUE}" if found and _SECRET_FLAG.fullmatch(name) else each
            )
        hide_next = _SECRET_FLAG.fullmatch(each) is not None
    return told


def without_secrets(message: str, arguments: Sequence[str]) -> str:
    """Return an error message in which none of the secrets that were typed is repeated."""
    for typed, told in zip(arguments, masked(arguments), strict=True):
        if told != typed:
            secret = typed.partition("=")[2] if told != MASKED_VALUE else typed
            message = message.replace(secret, MASKED_VALUE) if secret else message
    return message
