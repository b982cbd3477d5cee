"""A file that appears whole or not at all, hashed and bounded while it is written."""

from __future__ import annotations

import asyncio
import os
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, Self

READABLE: Final = 0o644
"""Containers read downloads under another uid than ours."""


class TooMuch(Exception):
    """The limit was passed; never leaves the fetcher."""


class Sink:
    """An async context manager; ``keep`` puts the file in its place, leaving drops it."""

    def __init__(self, target: Path, limit: int) -> None:
        self._target, self._limit = target, limit
        self._hash = sha256()
        self.size = 0

    async def __aenter__(self) -> Self:
        await asyncio.to_thread(self._open)
        return self

    def _open(self) -> None:
        folder, name = self._target.parent, self._target.name
        self._file = NamedTemporaryFile(  # noqa: SIM115 - closed by keep or on leaving
            dir=folder, prefix=f".{name[:40]}.", suffix=".part", delete=False
        )

    async def write(self, data: bytes) -> None:
        """Append.

        Raises:
            TooMuch: The file would pass its limit.
            OSError: The disk is full or broken.
        """
        self.size += len(data)
        if self.size > self._limit:
            raise TooMuch
        await asyncio.to_thread(self._append, data)

    def _append(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)

    async def keep(self) -> str:
        """Finish: return the sha256 (64 hexadecimal digits) of what now lies at the target."""
        await asyncio.to_thread(self._keep)
        return self._hash.hexdigest()

    def _keep(self) -> None:
        self._file.flush()
        os.fchmod(self._file.fileno(), READABLE)
        os.fsync(self._file.fileno())
        self._file.close()
        Path(self._file.name).replace(self._target)

    async def __aexit__(self, *_: object) -> None:
        self._drop()

    def _drop(self) -> None:
        self._file.close()
        Path(self._file.name).unlink(missing_ok=True)
