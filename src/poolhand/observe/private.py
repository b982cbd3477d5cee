"""Files and folders that their owner alone may read: journals, databases, keys, logs, results."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

import structlog

PRIVATE_FILE_MODE: Final = 0o600
"""Mode of a file of ours."""
FOLDER: Final = 0o700
"""Mode of a folder of ours."""
_OTHERS: Final = 0o077

log = structlog.get_logger()


def private_folder(folder: Path) -> Path:
    """Make a folder, with what is missing above it, for its owner alone; narrow one that is wider.

    Raises:
        OSError: It cannot be made. One of somebody else's stays as it is, and that is told.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=FOLDER)
    narrow(folder)
    return folder


def create_private(path: Path) -> None:
    """Make an empty file for its owner alone, or narrow the one that is there.

    Raises:
        OSError: It cannot be made.
    """
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, PRIVATE_FILE_MODE))
    narrow(path)


def write_private(path: Path, content: str | bytes, *, lasting: bool = False) -> None:
    """Write a file for its owner alone, whole or not at all.

    Args:
        path: Whose folder is there.
        content: Text is written in UTF-8.
        lasting: Whether a power cut must not take it back: file and folder are synced, which
            takes a disk some milliseconds.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)  # of a program that was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    try:
        with os.fdopen(os.open(draft, flags, PRIVATE_FILE_MODE), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            if lasting:
                file.flush()
                os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    if lasting:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in a folder to the disk; raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def narrow(path: Path) -> None:
    """Take a file or folder away from everybody but its owner; nothing there is fine.

    What cannot be narrowed (another owner, a file system without modes) is told and left.
    """
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & _OTHERS:
            path.chmod(mode & ~_OTHERS)
            log.info("made_private", path=str(path), was=f"{mode:04o}", now=f"{mode & 0o700:04o}")
    except FileNotFoundError:
        return
    except OSError as fault:
        log.warning(
            "not_private",
            path=str(path),
            cause=fault.strerror or str(fault),
            acts="operator of this program",
            next_step="let only the user of this program read it: chmod go-rwx",
        )
