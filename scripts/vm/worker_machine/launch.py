"""*Launch Worker*: joins the pool, or starts the worker, or shows the one that runs.

All that is `poolhand join`, which goes on wherever it was; this asks for the pool where none is
known, says what a wallet's file is for where there is none, and keeps the window open.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.keys.stored import list_wallets
from poolhand.settings.load import web_url

from .places import MachinePlaces, call_poolhand, join_words

NO_WALLET: Final = (
    "There is no wallet in the folder `keystore` yet: answer below to make one or to type its "
    "private key, or close this window, put your wallet's file into `keystore/wallet.json`, and "
    "launch again."
)
LOOK_AGAIN: Final = "Press Enter to look again; close this window, and the worker goes on: "
TO_CLOSE: Final = "Press Enter to close this window: "


@dataclass(frozen=True, slots=True)
class Window:
    """The window of a person, and Poolhand in it.

    Attributes:
        say: Writes a line.
        ask: Writes a question and returns the line that is typed; EOFError where nobody can type.
        poolhand: Runs a command of Poolhand; returns its exit code.
    """

    say: Callable[[str], None]
    ask: Callable[[str], str]
    poolhand: Callable[[Sequence[str]], int]


def launch(places: MachinePlaces, window: Window) -> int:
    """Bring the worker up, and show how it stands while a person looks; return an exit code."""
    is_named_now = False
    try:
        is_named_now = _name_pool(places, window)
        if not list_wallets(places.keystore) and not places.has_wallet_file():
            window.say(NO_WALLET)
        done = window.poolhand(join_words(places))
    except Refused as fault:
        window.say(fault.told)
        done = fault.exit_code
    give_to_owner(places.keystore)
    if done:
        if is_named_now and not places.has_joined():
            places.settings.unlink()  # it may be another pool that was meant
        window.ask(TO_CLOSE)
        return done
    while True:
        window.ask(LOOK_AGAIN)
        window.poolhand(("worker", "status", "--base", str(places.workers)))


def _name_pool(places: MachinePlaces, window: Window) -> bool:
    """Ask which pool is to be joined, where none is known; return whether it was asked."""
    if places.pool_url():
        return False
    while not places.pool_url():
        answer = window.ask("Address of the pool to join (https://...): ").strip()
        try:
            if answer:
                places.remember_pool(web_url(answer))
        except (Refused, ValueError) as fault:
            window.say(f"that is no address of a pool: {fault}")
    return True


def give_to_owner(keystore: Path) -> None:
    """Give wallets that were made by root to whoever has the folder, to be copied away."""
    folder = keystore.stat()
    for path in keystore.iterdir():
        if path.is_file() and not path.is_symlink() and path.stat().st_uid != folder.st_uid:
            shutil.chown(path, folder.st_uid, folder.st_gid)


def main() -> int:
    """Run in the window that the icon opened, as root."""
    places = MachinePlaces()
    try:
        return launch(places, Window(print, input, partial(call_poolhand, places)))
    except (EOFError, KeyboardInterrupt):
        return 0


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
