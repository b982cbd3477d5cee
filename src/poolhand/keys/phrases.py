"""The words of which recovery phrases are made (BIP 39), in every language that wallets offer."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Final

_PACKAGE: Final = "eth_account.hdaccount"


@cache
def phrase_words() -> frozenset[str]:
    """Return all words of all lists, in lower case."""
    lists = files(_PACKAGE) / "wordlist"
    return frozenset(
        word.lower()
        for each in lists.iterdir()
        if each.name.endswith(".txt")
        for word in each.read_text(encoding="utf-8").split()
    )
