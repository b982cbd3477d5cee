"""The key of a dataset, read from a file to be pushed."""

from __future__ import annotations

from pathlib import Path


def read_key(file: Path) -> str:
    """Return the key in a file.

    Raises:
        NoDatasetFile: It cannot be read.
        UnfitDatasetKey: It has no key.
    """
    from poolhand.cli.secret_texts import UnreadableSecret, secret_text
    from poolhand.client.dataset_files import NoDatasetFile
    from poolhand.keys.dataset_encryption import check_dataset_key

    try:
        text = secret_text(str(file)).strip()
    except UnreadableSecret as fault:
        raise NoDatasetFile(str(fault)) from fault
    check_dataset_key(text)
    return text
