"""Files that appear whole or not at all, and writing one without knowing where it lies."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import hashlib
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

READABLE: Final = 0o644
"""Containers read downloads under another uid than ours."""
LOOKS_FOR_WRITERS: Final = 20
PAUSE_BETWEEN_WRITER_LOOKS: Final = 0.05
"""Seconds between two looks at who still has a file open: a program that is being started has."""


class TooMuch(Exception):
    """The limit was passed; never leaves the fetcher."""


class NothingCame(Exception):
    """The file is empty; never leaves the fetcher."""


class Unwritten(Exception):
    """The disk is full or broken; never leaves the fetcher."""


class StillWritten(OSError):
    """Somebody else can still write into a file that should be complete."""

    def __init__(self) -> None:
        super().__init__(errno.ETXTBSY, "what downloads it does not let go of the file")


class Sink:
    """Writes into an open file from its start, whatever lies there, and only so much.

    Args:
        descriptor: Of the file; it stays open.
        limit: Bytes.

    Raises:
        Unwritten: The file cannot be emptied.

    Attributes:
        size: Bytes so far.
    """

    def __init__(self, descriptor: int, limit: int) -> None:
        self._descriptor, self._limit = descriptor, limit
        self.size = 0
        with _writing():
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.ftruncate(descriptor, 0)

    def write(self, data: bytes) -> None:
        """Append.

        Raises:
            TooMuch: The file would pass its limit.
            Unwritten: The disk is full or broken.
        """
        self.size += len(data)
        if self.size > self._limit:
            raise TooMuch
        rest = memoryview(data)
        with _writing():
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]


@contextmanager
def _writing() -> Iterator[None]:
    """Tell a fault of the disk from those of a connection, which are OSErrors as well."""
    try:
        yield
    except OSError as fault:
        raise Unwritten(fault.strerror) from fault


class PartFile:
    """An async context manager; ``keep`` puts the file in its place, leaving drops it.

    Attributes:
        descriptor: For whoever writes it.
    """

    descriptor: int

    def __init__(self, target: Path) -> None:
        self._target = target
        self._is_open = False

    async def __aenter__(self) -> Self:
        opening = asyncio.create_task(asyncio.to_thread(self._open))
        try:
            await asyncio.shield(opening)
        except asyncio.CancelledError:
            await asyncio.wait([opening])  # a thread goes on: what it opens is to be dropped
            if opening.exception() is None:
                await self.__aexit__()
            raise
        return self

    def _open(self) -> None:
        folder, name = self._target.parent, self._target.name
        self.descriptor, part = tempfile.mkstemp(".part", f".{name[:40]}.", folder)
        self._part, self._is_open = Path(part), True

    async def keep(self, limit: int) -> str:
        """Finish: return the sha256 (64 hexadecimal digits) of what now lies at the target.

        It is that of what lies on the disk, once nobody else can write there any more, whatever
        was told by who wrote it.

        Raises:
            TooMuch, NothingCame: It has over ``limit`` bytes, or none.
            StillWritten: Somebody else still has it open.
            OSError: The disk is full or broken.
        """
        await asyncio.to_thread(self._finish)
        for _ in range(LOOKS_FOR_WRITERS):
            if await asyncio.to_thread(_is_finished, self._part):
                return await asyncio.to_thread(self._keep, limit)
            await asyncio.sleep(PAUSE_BETWEEN_WRITER_LOOKS)
        raise StillWritten

    def _finish(self) -> None:
        os.fchmod(self.descriptor, READABLE)
        os.fsync(self.descriptor)
        self._close()

    def _keep(self, limit: int) -> str:
        with self._part.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size > limit:
                raise TooMuch
            if not size:
                raise NothingCame
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._part.replace(self._target)
        return digest

    async def __aexit__(self, *_: object) -> None:
        self._close()
        self._part.unlink(missing_ok=True)

    def _close(self) -> None:
        if self._is_open:
            self._is_open = False
            os.close(self.descriptor)


def _is_finished(path: Path) -> bool:
    """Whether nobody has a file open for writing; where nobody can tell, it is believed.

    The kernel leases a file for reading only while there is no writer, in any process.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return True
    with path.open("rb") as file:
        try:
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGURG)  # who opens it now does not end us
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as fault:
            return fault.errno != errno.EAGAIN
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return True
