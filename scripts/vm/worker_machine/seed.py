"""The seed disk: a small disk labelled ``POOLHAND`` by which a machine joins without a person.

It is read once, when the machine first sees it: `join.toml` (settings of `poolhand join`, with
`pool-url`), `wallet.json`, `password`. What it brings is kept for root alone, the wallet's file in
the folder `keystore`; then the disk may go. With a password on it the machine joins by itself, and
at each start says how its worker stands; without one, settings and wallet wait for *Launch Worker*.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from poolhand.domain.errors import Refused, Unavailable
from poolhand.observe.private import write_private

from .launch import Window, give_to_owner
from .places import MachinePlaces, call_poolhand, join_words, toml_of

DISK: Final = Path("/dev/disk/by-label/POOLHAND")
MOST: Final = 65_536
"""Bytes of a file of the disk."""
SETTINGS, WALLET, PASSWORD = "join.toml", "wallet.json", "password"
MENDED_BY_A_PERSON: Final = 78
"""Exit code after which the service is not started again: the same disk is refused again."""
NO_SEED: Final = (
    "no seed disk: to have this machine join a pool by itself, attach a disk labelled POOLHAND "
    "with join.toml, wallet.json and password"
)


class BadSeed(Refused):
    """The seed disk cannot be used as it is."""


class DiskSilent(Unavailable):
    """The seed disk is there and was not mounted."""


@dataclass(frozen=True, slots=True)
class Seed:
    """What a seed disk brings; empty: it does not."""

    settings: bytes
    wallet: bytes
    password: bytes


def read_seed(folder: Path) -> Seed:
    """Read a seed disk.

    Raises:
        BadSeed: A file is larger than any of its kind.
    """
    return Seed(*(_content(folder / each) for each in (SETTINGS, WALLET, PASSWORD)))


def _content(file: Path) -> bytes:
    if not file.is_file():
        return b""
    with file.open("rb") as opened:
        content = opened.read(MOST + 1)
    if len(content) > MOST:
        raise BadSeed(
            f"{file.name} of the seed disk is larger than {MOST} bytes: it is another file"
        )
    return content


def keep_seed(seed: Seed, places: MachinePlaces) -> None:
    """Keep what the disk brought, the settings last: a machine that has them reads no disk again.

    Raises:
        BadSetting: The settings are no TOML.
        BadSeed: Neither they nor whoever built the machine name a pool.
    """
    if not toml_of(seed.settings, SETTINGS).get("pool-url") and not places.pool_url():
        raise BadSeed(
            f'{SETTINGS} of the seed disk names no pool: write pool-url = "https://..." into it'
        )
    places.state.mkdir(parents=True, exist_ok=True, mode=0o700)
    if seed.wallet.strip():
        write_private(places.wallet, seed.wallet, lasting=True)
        give_to_owner(places.keystore)
    if seed.password.strip():
        write_private(places.password, seed.password, lasting=True)
    write_private(places.settings, seed.settings.decode().removeprefix("\ufeff"), lasting=True)


def join_by_seed(
    places: MachinePlaces, window: Window, disk: Callable[[], Iterator[Path | None]]
) -> int:
    """Join as a seed disk says, now or at an earlier start; return an exit code.

    Args:
        places: Of the machine.
        window: Nobody types there.
        disk: Yields the folder of the seed disk while it is mounted; None: there is none.
    """
    try:
        if not places.settings.exists():
            with contextmanager(disk)() as folder:
                if folder is None:
                    window.say(NO_SEED)
                    return 0
                keep_seed(read_seed(folder), places)
            window.say("the seed disk was read; it may be taken away")
        if not places.password.exists():
            return 0
        done = window.poolhand(join_words(places, yes=True))
        give_to_owner(places.keystore)
    except Refused as fault:
        window.say(fault.told)
        return MENDED_BY_A_PERSON
    except Unavailable as fault:
        window.say(fault.told)
        return fault.exit_code
    return done


def mounted_disk(disk: Path = DISK) -> Iterator[Path | None]:
    """Yield the folder of the seed disk, mounted so that nothing of it is run; None: none is there.

    Raises:
        DiskSilent: It could not be mounted.
    """
    if not disk.exists():
        yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="seed-", dir="/run"))
    told = ["mount", "-o", "ro,nosuid,nodev,noexec", str(disk), str(folder)]
    done = subprocess.run(told, capture_output=True, text=True, check=False)
    if done.returncode:
        folder.rmdir()
        raise DiskSilent(f"the seed disk was not mounted ({done.stderr.strip()}): attach it anew")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)
        with suppress(OSError):
            folder.rmdir()


def _nobody(question: str) -> str:
    raise EOFError(question)


def main() -> int:
    """Run as the service ``poolhand-seed``, as root."""
    places = MachinePlaces()
    window = Window(partial(print, flush=True), _nobody, partial(call_poolhand, places))
    return join_by_seed(places, window, mounted_disk)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main())
