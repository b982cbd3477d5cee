"""The files of a result: what an app left in ``/iexec_out``, seen without trusting a name in it.

Symbolic links, pipes, sockets and devices are passed over and never opened: a link could show us
a file of this machine in the app's stead, and with it whoever gets the result. Names are held to
the one rule (``domain.archive_names``) before anything is staked on them.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from poolhand.domain.archive_names import BadName, NameTree
from poolhand.domain.computed import OUTPUT_FOLDER, NoResult
from poolhand.domain.text import shown

DRAFT: Final = ".poolhand.part"
"""A file of ours before it has its name; always the same, so that none outlives a crash."""
MAX_ENTRIES: Final = 10_000
"""Files, folders and anything else below ``/iexec_out``."""


def result_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the regular files below ``folder``: path with ``/`` and place, sorted by path.

    Raises:
        NoResult: Too many entries, or a name that cannot travel.
    """
    found, tree = [], NameTree()
    for name, entry in _walk(folder):
        try:
            tree.add(name, is_folder=entry.is_dir(follow_symlinks=False))
        except BadName as fault:
            raise NoResult(f"the app left a file that cannot travel: {fault}") from fault
        if entry.is_file(follow_symlinks=False):
            found.append((name, Path(entry.path)))
    return sorted(found)


def oddity(folder: Path, name: str) -> str | None:
    """Say why a path below ``folder`` is no file of the result, if it is there and is none."""
    here = folder
    for part in name.split("/"):
        here /= part
        try:
            mode = here.lstat().st_mode
        except OSError:
            return None
        if stat.S_ISLNK(mode):
            return _odd(folder, here, "a symbolic link, which is not followed")
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            return _odd(folder, here, "a pipe, a socket or a device")
    return None


def _odd(folder: Path, here: Path, kind: str) -> str:
    path = shown(str(here.relative_to(folder)), 300)
    return f"the app left {OUTPUT_FOLDER}/{path} as {kind}: let it write a regular file there"


def _walk(folder: Path) -> Iterator[tuple[str, os.DirEntry[str]]]:
    folders, number = [("", os.fspath(folder))], 0
    while folders:
        prefix, here = folders.pop()
        with os.scandir(here) as entries:
            for entry in entries:
                number += 1
                if number > MAX_ENTRIES:
                    raise NoResult(f"the app left more than {MAX_ENTRIES} files: pack them itself")
                yield prefix + entry.name, entry
                if entry.is_dir(follow_symlinks=False):
                    folders.append((f"{prefix}{entry.name}/", entry.path))


def open_plain(path: Path) -> BufferedReader:
    """Open a regular file for reading, whatever happened to its name since it was listed.

    Raises:
        NoResult: It is none.
        OSError: It cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as fault:
        if path.is_symlink():
            raise NoResult(f"{path.name!a} is a symbolic link: write a file") from fault
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NoResult(f"{path.name!a} is no regular file: write one")
    return os.fdopen(descriptor, "rb")


def add_file(folder: Path, name: str, content: bytes) -> None:
    """Put a file of ours among the app's, in place of a file or link of that name.

    The app has ended, and what lies where the draft comes is removed: a link of the app's, which
    would lead it elsewhere, or what a crash has left, which would count as a result.

    Raises:
        OSError: The app made a folder of that name, or the disk is full.
    """
    draft = folder / DRAFT
    draft.unlink(missing_ok=True)
    try:
        with draft.open("xb") as file:
            file.write(content)
        draft.replace(folder / name)
    finally:
        draft.unlink(missing_ok=True)
