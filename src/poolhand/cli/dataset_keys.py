"""Keys of datasets in files: made with what they hide, and read to be pushed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from poolhand.domain.errors import Refused


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


def encrypted(source: Path, to: Path | None, key: Path | None) -> EncryptedDataset:
    """Encrypt a file under a new key; the key is on the disk before what it hides.

    Raises:
        DatasetFileThere: One of the files is there already.
        NoDatasetFile: One cannot be read or written.
    """
    from poolhand.keys.dataset_encryption import encrypt_dataset, new_dataset_key
    from poolhand.observe.private import write_private

    target = to or source.with_name(f"{source.name}.enc")
    key_file = key or source.with_name(f"{source.name}.key")
    for each in (target, key_file):
        if each.exists():
            raise DatasetFileThere(f"{each} is there already: name another file")
    try:
        made = new_dataset_key()
        write_private(key_file, made, lasting=True)
        checksum = encrypt_dataset(source, target, made)
    except OSError as fault:
        raise NoDatasetFile(f"{source} cannot be encrypted: {fault}") from fault
    return EncryptedDataset(target, key_file, "0x" + checksum.hex())


def read_key(file: Path) -> str:
    """Return the key in a file.

    Raises:
        NoDatasetFile: It cannot be read.
        UnfitDatasetKey: It has no key.
    """
    from poolhand.cli.secret_texts import UnreadableSecret, secret_text
    from poolhand.keys.dataset_encryption import check_dataset_key

    try:
        text = secret_text(str(file)).strip()
    except UnreadableSecret as fault:
        raise NoDatasetFile(str(fault)) from fault
    check_dataset_key(text)
    return text
