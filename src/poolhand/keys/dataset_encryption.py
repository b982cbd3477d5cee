"""Datasets that one key alone opens, in the form in which iExec's SDK encrypts them.

The file is 16 random bytes and then the data under AES-256-CBC (PKCS#7); the key is 32 random
bytes, told as base64 text of 44 characters. The checksum on chain is that of the encrypted file.

Source: services-api.md 8.1; SDK 9.0.1 ``dataset encrypt``.
"""

from __future__ import annotations

import binascii
import os
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Final

from Crypto.Cipher import AES
from Crypto.Util.Padding import pad, unpad

from poolhand.domain.errors import Refused
from poolhand.observe.private import sync_folder

DATASET_KEY_SIZE: Final = 32
"""Bytes."""
_BLOCK: Final = 16
_BYTES_ENCRYPTED_AT_ONCE: Final = 1024**2


class UnfitDatasetKey(Refused):
    """A text is no key of a dataset."""


class DatasetNotOpened(Refused):
    """A file is not encrypted as datasets are, or with another key."""


def new_dataset_key() -> str:
    """Return a key as it is pushed: base64 text of 44 characters."""
    return b64encode(token_bytes(DATASET_KEY_SIZE)).decode()


def encrypt_dataset(source: Path, target: Path, key: str) -> bytes:
    """Encrypt a file into ``target``, whole or not at all.

    Returns:
        The sha256 of what was written: the dataset's checksum on chain.

    Raises:
        UnfitDatasetKey: The key is none.
        OSError: The disk refuses.
    """
    first, draft, digest = token_bytes(_BLOCK), target.with_name(target.name + ".part"), sha256()
    cipher = AES.new(_raw(key), AES.MODE_CBC, first)
    try:
        with source.open("rb") as clear, draft.open("xb") as into:

            def write(piece: bytes) -> None:
                digest.update(piece)
                into.write(piece)

            write(first)
            while len(piece := clear.read(_BYTES_ENCRYPTED_AT_ONCE)) == _BYTES_ENCRYPTED_AT_ONCE:
                write(cipher.encrypt(piece))
            write(cipher.encrypt(pad(piece, _BLOCK)))
            into.flush()
            os.fsync(into.fileno())
        draft.replace(target)
        sync_folder(target.parent)
    finally:
        draft.unlink(missing_ok=True)
    return digest.digest()


def decrypt_dataset(source: Path, key: str) -> bytes:
    """Return what a file was encrypted from.

    Raises:
        UnfitDatasetKey: The key is none.
        DatasetNotOpened: It does not open.
        OSError: It cannot be read.
    """
    raw = source.read_bytes()
    if len(raw) < 2 * _BLOCK or len(raw) % _BLOCK:
        raise DatasetNotOpened(f"{source.name} is not encrypted as datasets are")
    cipher = AES.new(_raw(key), AES.MODE_CBC, raw[:_BLOCK])
    try:
        found: bytes = unpad(cipher.decrypt(raw[_BLOCK:]), _BLOCK)
    except ValueError as fault:
        raise DatasetNotOpened(f"{source.name} does not open with this key") from fault
    return found


def check_dataset_key(key: str) -> None:
    """Check that a text is the key of a dataset; raises UnfitDatasetKey."""
    _raw(key)


def _raw(key: str) -> bytes:
    try:
        raw = b64decode(key, validate=True)
    except binascii.Error:
        raw = b""
    if len(raw) != DATASET_KEY_SIZE:
        raise UnfitDatasetKey(
            "that is no key of a dataset: it is base64 text of 44 characters, as `poolhand dataset "
            "encrypt` and iExec's SDK make it"
        )
    return raw
