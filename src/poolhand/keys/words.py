"""Recovery words: a wallet's key as wallet programs write it down for people (BIP-39, BIP-44)."""

from __future__ import annotations

from collections.abc import Iterable
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


_ACCOUNT_PATH: Final = "m/44'/60'/0'/0/{}"
"""Where wallet programs find a phrase's accounts, counted from 0."""


def new_words() -> str:
    """Return twelve words of the system's randomness: 128 bits, as strong as the keys are."""
    with recursion_kept():
        from eth_account.hdaccount.mnemonic import Mnemonic  # noqa: PLC0415 - slow, see tests/cli
        from eth_account.types import Language  # noqa: PLC0415 - as above

    return str(Mnemonic(Language.ENGLISH).generate(12))


def key_of_words(words: str) -> str:
    """Return the private key of the first account of recovery words, in hexadecimal.

    It is the account that wallet programs show first (m/44'/60'/0'/0/0).

    Raises:
        NotRecoveryWords: There are too few or too many, one is unknown, or their check fails.
    """
    return keys_of_words(words, (0,))[0]


def keys_of_words(words: str, accounts: Iterable[int]) -> tuple[str, ...]:
    """Return the private keys of accounts of recovery words, in hexadecimal.

    Args:
        words: A phrase, without a passphrase.
        accounts: Which, counted from 0: the last number of m/44'/60'/0'/0/0.

    Raises:
        NotRecoveryWords: There are too few or too many, one is unknown, or their check fails.
    """
    told = " ".join(words.lower().split())
    if len(told.split()) not in WORD_COUNTS:
        raise NotRecoveryWords
    with recursion_kept():
        from eth_account.hdaccount import (  # noqa: PLC0415 - slow, see tests/cli
            key_from_seed,
            seed_from_mnemonic,
        )
        from eth_utils.exceptions import ValidationError  # noqa: PLC0415 - as above

    try:
        seed = seed_from_mnemonic(told, passphrase="")
        keys = [bytes(key_from_seed(seed, _ACCOUNT_PATH.format(each))) for each in accounts]
    except (ValidationError, ValueError):
        raise NotRecoveryWords from None
    for key in keys:
        Wallet.from_key(key)
    return tuple(key.hex() for key in keys)
