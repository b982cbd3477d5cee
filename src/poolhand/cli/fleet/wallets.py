"""The wallets of a fleet: accounts of one recovery phrase, which is shown once and not kept.

Their keystores have one password that nobody chose: 256 bits, in a file for its owner alone. There
is nothing to guess, so scrypt is asked for little: 64 workers that start together would else take
half a second and 128 MiB each. Why the phrase is not kept: docs/adr/0113.
"""

from __future__ import annotations

import secrets
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from poolhand.cli.confirming import confirm
from poolhand.cli.fleet.folder import FleetFolder, FleetMember
from poolhand.cli.passwords import ask_words
from poolhand.cli.saying import say
from poolhand.domain.errors import Refused
from poolhand.keys.keystore import sealed
from poolhand.keys.named import read_password
from poolhand.keys.wallet import Wallet
from poolhand.keys.words import keys_of_words, new_words
from poolhand.observe.private import write_private
from poolhand.settings.home import at_home

_SCRYPT_COST: Final = 4_096
"""n of scrypt: 10 ms and 4 MiB. The password has 256 bits; a stretched one has no more."""
MOST_FLEET_WORKERS: Final = 1_000
"""Workers of one fleet."""


class PhraseNowhere(Refused):
    """A recovery phrase would be made and nobody would see it."""

    def __init__(self) -> None:
        super().__init__(
            "the recovery phrase is shown once and there is no terminal to show it at: name a file "
            "for it with --words-to FILE, or give a phrase of yours with --words-file FILE"
        )


class PhraseFileThere(Refused):
    """The file for the recovery phrase is there already."""


class OtherPhrase(Refused):
    """The words are another fleet's."""

    def __init__(self, first: str) -> None:
        super().__init__(
            f"these are not the words of this fleet, whose first account is {first}: give those"
        )


class TooManyWorkers(Refused):
    """More workers than a fleet may have."""


def make_wallets(
    folder: FleetFolder,
    count: int,
    *,
    words_file: str,
    words_to: str,
    yes: bool,
) -> tuple[FleetMember, ...]:
    """Make the wallets of a new fleet; those of an earlier try that nobody confirmed are dropped.

    Args:
        folder: Of the fleet.
        count: How many.
        words_file: Holds the phrase that is meant, ``-``: standard input; empty: a new one.
        words_to: File to write a new phrase into; empty: it is shown.
        yes: It was said beforehand that all is meant.

    Raises:
        TooManyWorkers, PhraseNowhere, PhraseFileThere, NotRecoveryWords, PasswordUnreadable: As
            they say.
    """
    _check_count(count)
    if words_file:
        words = read_password(words_file)
    else:
        _check_place(words_to)
        words = new_words()
    shutil.rmtree(folder.staged, ignore_errors=True)
    folder.make()
    folder.staged.mkdir(mode=0o700)
    if not folder.password.exists():
        write_private(folder.password, secrets.token_urlsafe(32) + "\n", lasting=True)
    members = seal_accounts(folder, words, range(count), folder.staged)
    if not words_file:
        _keeper(words_to, yes=yes)(words, members)
    return members


def more_wallets(
    folder: FleetFolder, first: str, accounts: Sequence[int], words_file: str
) -> tuple[FleetMember, ...]:
    """Make wallets for more workers of a fleet, of its own phrase.

    Args:
        folder: Of the fleet.
        first: Address of the phrase's first account.
        accounts: Which are wanted.
        words_file: Holds the phrase, ``-``: standard input; empty: it is asked for.

    Raises:
        OtherPhrase: It is not this fleet's.
        TooManyWorkers, NotRecoveryWords, KeyMissing, PasswordUnreadable: As they say.
    """
    _check_count(max(accounts, default=0) + 1)
    words = read_password(words_file) if words_file else ask_words()
    (key,) = keys_of_words(words, (0,))
    if str(Wallet.parse(key).address) != first:
        raise OtherPhrase(first)
    folder.wallets.mkdir(parents=True, exist_ok=True, mode=0o700)
    return seal_accounts(folder, words, accounts, folder.wallets)


def seal_accounts(
    folder: FleetFolder, words: str, accounts: Sequence[int], place: Path
) -> tuple[FleetMember, ...]:
    """Write keystores of a phrase's accounts; the same again overwrites the same keys."""
    password, made = read_password(folder.password), []
    for account, key in zip(accounts, keys_of_words(words, accounts), strict=True):
        wallet = Wallet.parse(key)
        member = FleetMember(account, f"{folder.name}-{account + 1:03d}", str(wallet.address))
        write_private(
            place / folder.keystore(member).name,
            sealed(wallet, password, _SCRYPT_COST),
            lasting=True,
        )
        made.append(member)
    return tuple(made)


def _check_count(accounts: int) -> None:
    if accounts > MOST_FLEET_WORKERS:
        raise TooManyWorkers(
            f"a fleet has at most {MOST_FLEET_WORKERS} workers, those that have left counted: make "
            "another with --fleet NAME"
        )


def _check_place(words_to: str) -> None:
    if words_to:
        if at_home(words_to).exists():
            raise PhraseFileThere(
                f"{words_to} is there already: if it holds the phrase of this fleet, give it with "
                "--words-file; else name another file"
            )
    elif not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise PhraseNowhere


def _keeper(words_to: str, *, yes: bool) -> Callable[[str, Sequence[FleetMember]], None]:
    """Return what gives a new phrase to its owner."""

    def write(words: str, _: Sequence[FleetMember]) -> None:
        path = at_home(words_to)
        write_private(path, words + "\n", lasting=True)
        say(f"the recovery phrase is in {path}: bring it to a safe place, and remove it there")

    def show(words: str, members: Sequence[FleetMember]) -> None:
        say(
            "These words are the keys of all wallets of this fleet. Write them down now: they are "
            "shown once and kept nowhere."
        )
        say(f"\n    {words}\n")
        say(f"Their accounts, in any wallet program: 1 to {len(members)} (m/44'/60'/0'/0/0 and on)")
        confirm("the words are written down", yes=yes)

    return write if words_to else show
