"""Datasets encrypted into files, beside their keys."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poolhand.domain.errors import Refused
from poolhand.keys.dataset_encryption import encrypt_dataset, new_dataset_key
from poolhand.observe.private import write_private


class DatasetFileThere(Refused):
    """A file is there already; a key that was written over would be lost."""


class NoDatasetFile(Refused):
    """A file cannot be read or written."""


@dataclass(frozen=True, slots=True)
class EncryptedDataset:
    """An encrypted file, the file of its key, and its checksum for the chain."""

    file: Path
    key: Path
    checksum: str


def encrypt_dataset_file(
    source: str | Path, to: str | Path = "", key: str | Path = ""
) -> EncryptedDataset:
    """Encrypt a file as iExec's SDK does, under a new key that stays here: keep a copy of it.

    The key is on the disk before what it hides.

    Args:
        source: What is to be hidden.
        to: Where to; else beside it, with ``.enc`` behind its name.
        key: Where the key goes; else beside it, with ``.key`` behind its name.

    Raises:
        DatasetFileThere: One of the files is there already.
        NoDatasetFile: One cannot be read or written.
    """
    hidden = Path(source)
    target = Path(to or hidden.with_name(f"{hidden.name}.enc"))
    key_file = Path(key or hidden.with_name(f"{hidden.name}.key"))
    for each in (target, key_file):
        if each.exists():
            raise DatasetFileThere(f"{each} is there already: name another file")
    try:
        made = new_dataset_key()
        write_private(key_file, made, lasting=True)
        checksum = encrypt_dataset(hidden, target, made)
    except OSError as fault:
        raise NoDatasetFile(f"{hidden} cannot be encrypted: {fault}") from fault
    return EncryptedDataset(target, key_file, "0x" + checksum.hex())
