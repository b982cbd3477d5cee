"""What a person typed and nobody else should read: keys and passwords are never repeated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from poolhand.domain.key_text import is_key

_SECRET_FLAG: Final = re.compile(r"--[a-z-]*password")
MASKED_VALUE: Final = "***"


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
