"""The master key, from where its operator keeps it: never beside what it opens."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path
from typing import Final

from poolhand.domain.errors import Refused, Unavailable
from poolhand.settings.sms import MasterKeySource
from poolhand.store.sms.sealing import KEY_SIZE, MasterKey

MOST_KEY_TEXT: Final = 4_096
"""Bytes of a file, or of what a command prints."""
LONGEST_KEY_COMMAND: Final = 30
"""Seconds that a command may take."""


class UnfitMasterKey(Refused):
    """What was given is no master key."""


class MasterKeyBesideSecrets(Refused):
    """The master key lies where the secrets are: whoever copies that folder could open them."""


class MasterKeyOutOfReach(Unavailable):
    """A file cannot be read, or a command fails."""


def read_master_key(source: MasterKeySource, folders: tuple[Path, ...]) -> MasterKey:
    """Return the master key.

    Args:
        source: Where it is.
        folders: Of the secrets, and of what is kept beside them.

    Raises:
        MasterKeyBesideSecrets: Its file is in one of them.
        UnfitMasterKey: It is not 64 hexadecimal digits.
        MasterKeyOutOfReach: It cannot be read.
    """
    if source.file is not None:
        check_apart(source.file, folders)
        return _made(_of_file(source.file), f"the file {source.file}")
    if source.command:
        return _made(_printed(source.command), "what the master key's command prints")
    return _made(source.text, "the master key of the settings")


def check_apart(file: Path, folders: tuple[Path, ...]) -> None:
    """Check that a master key's file is outside of folders, links followed.

    Raises:
        MasterKeyBesideSecrets: It is inside of one.
    """
    target = file.resolve()
    for folder in folders:
        if target.is_relative_to(folder.resolve()) or file.absolute().is_relative_to(
            folder.absolute()
        ):
            raise MasterKeyBesideSecrets(
                f"the master key {file} lies in {folder}, with the secrets that it opens: whoever "
                "gets a copy of that folder could read them; move it elsewhere"
            )


def _of_file(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(MOST_KEY_TEXT).decode("ascii", errors="replace")
    except OSError as fault:
        raise MasterKeyOutOfReach(
            f"the master key {file} cannot be read ({fault.strerror}): `poolhand sms new-key` "
            "makes one, --master-key-file names another"
        ) from fault


def _printed(command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the operator's own command
            shlex.split(command), capture_output=True, timeout=LONGEST_KEY_COMMAND, check=True
        )
    except (OSError, ValueError, subprocess.SubprocessError) as fault:
        raise MasterKeyOutOfReach(
            f"the command for the master key failed ({type(fault).__name__}): run it by hand to "
            "see why"
        ) from None  # its output may have the key
    return done.stdout[:MOST_KEY_TEXT].decode("ascii", errors="replace")


def _made(text: str, what: str) -> MasterKey:
    try:
        raw = bytes.fromhex(text.strip().removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != KEY_SIZE:
        raise UnfitMasterKey(
            f"{what} is no master key: it has {2 * KEY_SIZE} hexadecimal digits; `poolhand sms "
            "new-key FILE` makes one"
        ) from None
    return MasterKey(raw)
