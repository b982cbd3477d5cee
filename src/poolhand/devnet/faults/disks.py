"""Small disks of their own for single programs, so that they can be full; for root on Linux.

A disk is a file with an ext4 in it, mounted where the program keeps its data: what is on it
survives the devnet, and its errors are the kernel's own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Self

import structlog

from poolhand.containers.mounts import SYSTEM_PATH
from poolhand.domain.errors import Refused, Unavailable

FAULTY_DISK_SIZE: Final = 64 * 1024**2
"""Bytes of a disk."""
FILLER: Final = ".filled-by-a-simulated-fault"
BYTES_FILLED_AT_ONCE: Final = 1024**2

log = structlog.get_logger()


class NoDiskHere(Refused):
    """A disk of its own needs rights that we do not have."""

    def __init__(self) -> None:
        super().__init__(
            "a program gets a disk of its own only on Linux, as root: run the devnet as root, or "
            "leave --disk out"
        )


class DiskFailed(Unavailable):
    """The kernel would not make or mount a disk."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(
            f"no disk could be mounted at {folder} ({why}): run the devnet where root may mount "
            "files (not in most containers), or leave --disk out"
        )


class Disk:
    """A disk in a file; an async context manager: mounted inside.

    Args:
        image: The file, made when missing.
        folder: Where it is mounted.
        size: Bytes, of a new one.
    """

    def __init__(self, image: Path, folder: Path, size: int = FAULTY_DISK_SIZE) -> None:
        self._image, self._size = image, size
        self.folder = folder

    async def __aenter__(self) -> Self:
        if sys.platform != "linux" or os.geteuid():
            raise NoDiskHere
        await asyncio.to_thread(self._mount)
        return self

    async def __aexit__(self, *_: object) -> None:
        self.clear()
        await asyncio.to_thread(self._unmount)

    def fill(self) -> None:
        """Leave no room for another byte."""
        with (self.folder / FILLER).open("ab", buffering=0) as file:
            for size in (BYTES_FILLED_AT_ONCE, 4096, 1):
                _grow(file.fileno(), size)
        log.warning("disk_filled", folder=str(self.folder), simulated=True)

    def clear(self) -> None:
        """Free what was filled; repeatable."""
        (self.folder / FILLER).unlink(missing_ok=True)

    def _mount(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._unmount()  # what a killed devnet left
        if not self._image.exists():
            self._make()
        self._run("mount", "-o", "loop", str(self._image), str(self.folder))
        shutil.rmtree(self.folder / "lost+found", ignore_errors=True)
        self.clear()

    def _make(self) -> None:
        self._image.parent.mkdir(parents=True, exist_ok=True)
        draft = self._image.with_suffix(".part")
        with draft.open("wb") as file:
            file.truncate(self._size)
        self._run("mkfs.ext4", "-q", "-F", "-m", "0", "-N", "8192", str(draft))
        draft.replace(self._image)

    def _unmount(self) -> None:
        while self.folder.is_mount():
            self._run("umount", "--lazy", str(self.folder))

    def _run(self, *command: str) -> None:
        path = f"{os.environ.get('PATH', '')}:{SYSTEM_PATH}"
        try:
            subprocess.run(  # noqa: S603 - fixed words and paths of ours
                command,
                env={**os.environ, "PATH": path},
                check=True,
                capture_output=True,
                text=True,
            )
        except FileNotFoundError as fault:
            raise DiskFailed(self.folder, f"{command[0]} is missing") from fault
        except subprocess.CalledProcessError as fault:
            raise DiskFailed(self.folder, _last_line(fault.stderr)) from fault


def _grow(handle: int, size: int) -> None:
    """Append pieces until one has no room."""
    try:
        while True:
            os.posix_fallocate(handle, os.fstat(handle).st_size, size)
    except OSError as fault:
        if fault.errno != errno.ENOSPC:
            raise


def _last_line(text: str) -> str:
    lines: Sequence[str] = text.strip().splitlines()
    return lines[-1] if lines else "no reason was given"
