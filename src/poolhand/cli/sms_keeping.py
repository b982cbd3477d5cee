"""Where the secrets are that a verb puts in order, told as ``sms serve`` is told it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from poolhand.settings.home import at_home
from poolhand.settings.load import load
from poolhand.settings.sms import (
    MASTER_KEY_OPTIONS,
    MasterKeySource,
    SecretsAddress,
    database_url,
    master_key_source,
)


@dataclass(frozen=True, slots=True)
class KeepingFlags:
    """What was typed, as far as it was."""

    folder: str = ""
    database: str = ""
    master_key_file: str = ""


def secrets_address(given: KeepingFlags) -> SecretsAddress:
    """Return where secrets are; raises BadSetting where that is not told."""
    flags = {
        "folder": given.folder or None,
        "database": given.database or None,
        "master-key-file": given.master_key_file or None,
    }
    if given.master_key_file:  # what is typed counts, whatever the environment has
        flags |= {"master-key": "", "master-key-command": ""}
    found = load(MASTER_KEY_OPTIONS, flags, os.environ, None)
    return SecretsAddress(at_home(found["folder"]), database_url(found), master_key_source(found))


def key_in(file: str) -> MasterKeySource | None:
    """Return where another master key is, if one is named."""
    return MasterKeySource(file=at_home(Path(file))) if file else None
