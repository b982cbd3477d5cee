"""Recovery words: a wallet's key as wallet programs write it down for people (BIP-39, BIP-44)."""

from __future__ import annotations

from typing import Final

from poolhand.domain.errors import Refused
from poolhand.keys.late import recursion_kept
from poolhand.keys.wallet import Wallet

WORD_COUNTS: Final = (12, 15, 18, 21, 24)
"""How many words there may be."""


class NotRecoveryWords(Refused):
    """What was given are no recovery words; the message never repeats them."""

    def __init__(self) -> None:
        super().__init__(
            "these are not recovery words: give the 12 to 24 English words in their order, with "
            "spaces between them, as your wallet program showed them"
        )


def key_of_words(words: str) -> str:
    """Return the private key of the first account of recovery words, in hexadecimal.

    It is the account that wallet programs show first (m/44'/60'/0'/0/0).

    Raises:
        NotRecoveryWords: There are too few or too many, one is unknown, or their check fails.
    """
    told = " ".join(words.lower().split())
    if len(told.split()) not in WORD_COUNTS:
        raise NotRecoveryWords
    with recursion_kept():
        from eth_account import Account  # noqa: PLC0415 - slow, see tests/cli
        from eth_utils.exceptions import ValidationError  # noqa: PLC0415 - as above

    Account.enable_unaudited_hdwallet_features()
    try:
        key = bytes(Account.from_mnemonic(told).key)
    except (ValidationError, ValueError):
        raise NotRecoveryWords from None
    Wallet.from_key(key)
    return key.hex()
