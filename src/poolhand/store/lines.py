"""The files under a file journal: locking, syncing, replacing, walking through lines."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from poolhand.observe.private import FOLDER, create_private
from poolhand.store.errors import JournalLocked

Sync: TypeAlias = Callable[[int], None]
"""Puts what was written to an open handle on disk, as ``os.fsync`` does."""


def lock(path: Path) -> int:
    """Hold ``<path>.lock`` and return its handle; closing that lets go.

    Raises:
        JournalLocked: Another process holds it.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(handle, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(handle)
        raise JournalLocked(str(path), holder) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
    return handle


def sync_folder(folder: Path, sync: Sync = os.fsync) -> None:
    """Make a creation or renaming in ``folder`` survive a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        sync(handle)
    finally:
        os.close(handle)


def replace(path: Path, lines: Iterator[bytes], sync: Sync = os.fsync) -> int:
    """Put a file of ``lines`` in the place of ``path``, whole or not at all; return its size."""
    draft = path.with_name(path.name + ".new")
    try:
        create_private(draft)
        with draft.open("wb") as file:
            file.writelines(lines)
            file.flush()
            sync(file.fileno())
            size = file.tell()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    sync_folder(path.parent, sync)
    return size


def numbered(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, bytes with their newline, if any)."""
    yield from enumerate(iter(file.readline, b""), start=1)
