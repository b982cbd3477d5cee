"""Folders into which strangers' programs write: measured and emptied without trusting them.

Nothing here follows a symbolic link or recurses: an app may nest folders deeper than Python's
stack or the longest path.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Final

from poolhand.containers.mounts import release

ENTRY_BYTES: Final = 256
"""What one name costs besides its content: an inode of ext4."""


def exceeds(folder: Path, limit: int) -> bool:
    """Tell whether the files below ``folder`` take more than ``limit`` bytes; stops at the limit.

    A file counts with its length or its blocks, whichever is more: holes will be packed, too.
    Entries that vanish meanwhile do not count. What cannot be listed, for its path is longer than
    the system allows, exceeds every limit.
    """
    total, folders = 0, [os.fspath(folder)]
    while folders and total <= limit:
        here = folders.pop()
        try:
            for entry in _entries(here):
                info = entry.stat(follow_symlinks=False)
                total += _cost(info)
                if stat.S_ISDIR(info.st_mode):
                    folders.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            return True
    return total > limit


def empty(folder: Path) -> None:
    """Remove everything below ``folder``; the folder stays.

    Subfolders are moved up before they are removed, so that no path grows with the depth.

    Raises:
        OSError: Something cannot be removed: it belongs to another user and we are not root.
    """
    folder.chmod(0o700)
    names = (folder / f".removed-{number}" for number in count())
    while found := list(_entries(os.fspath(folder))):
        for entry in found:
            if entry.is_dir(follow_symlinks=False):
                _flatten(Path(entry.path), names)
            else:
                Path(entry.path).unlink()


def remove(folder: Path) -> None:
    """Remove ``folder`` with everything below, disks that are mounted there, too; none is fine.

    Raises:
        OSError: As ``empty``.
    """
    release(folder)
    try:
        empty(folder)
        folder.rmdir()
    except FileNotFoundError:
        return


def _flatten(here: Path, names: Iterator[Path]) -> None:
    here.chmod(0o700)
    for entry in list(_entries(os.fspath(here))):
        if entry.is_dir(follow_symlinks=False):
            inner = Path(entry.path)
            inner.chmod(0o700)
            inner.rename(next(name for name in names if not os.path.lexists(name)))
        else:
            Path(entry.path).unlink()
    here.rmdir()


def _entries(folder: str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from entries


def _cost(info: os.stat_result) -> int:
    return ENTRY_BYTES + max(info.st_size, info.st_blocks * 512)
