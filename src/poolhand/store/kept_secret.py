"""A secret of one service: made once, kept in a file that its owner alone can read."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Final

from poolhand.observe.private import create_private
from poolhand.ports.storage import StorageDown

SECRET_SIZE: Final = 32
"""Bytes."""


def kept_secret(path: Path) -> bytes:
    """Return the secret in a file; one is made where there is none, or a broken one.

    Raises:
        StorageDown: It cannot be read or written.
    """
    try:
        known = path.read_bytes() if path.exists() else b""
        if len(known) != SECRET_SIZE:
            known = secrets.token_bytes(SECRET_SIZE)
            create_private(path)
            path.write_bytes(known)
    except OSError as fault:
        raise StorageDown(
            f"the secret in {path} cannot be kept ({fault.strerror or fault}): give the user of "
            "this program the right to read and write that folder"
        ) from fault
    return known
