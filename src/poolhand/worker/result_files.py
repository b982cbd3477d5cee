"""The files of a result: what an app left in ``/iexec_out``, seen without trusting a name in it.

Symbolic links, pipes, sockets and devices are passed over and never opened: a link could show us
a file of this machine in the app's stead, and with it whoever gets the result. Names are held to
what the results service takes, before anything is staked on them.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from io import BufferedReader
from pathlib import Path
from typing import Final

from poolhand.domain.computed import NoResult

MAX_ENTRIES: Final = 10_000
"""Files, folders and anything else below ``/iexec_out``."""
MAX_NAME: Final = 255
"""Bytes of a path below ``/iexec_out``, in UTF-8."""


def result_files(folder: Path) -> list[tuple[str, Path]]:
    """Return the regular files below ``folder``: path with ``/`` and place, sorted by path.

    Raises:
        NoResult: Too many entries, or a name that cannot travel.
    """
    found = []
    seen: dict[str, str] = {}
    for name, entry in _walk(folder):
        _check_name(name)
        other = seen.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise NoResult(
                f"the app wrote both {other!a} and {name!a}, which some systems cannot tell "
                "apart: rename one"
            )
        if entry.is_file(follow_symlinks=False):
            found.append((name, Path(entry.path)))
    return sorted(found)


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


def _check_name(name: str) -> None:
    if len(os.fsencode(name)) > MAX_NAME:
        raise NoResult(f"the path {name[:60]!a}... has over {MAX_NAME} bytes: shorten it")
    odd = "\\" in name or (name[:1].isalpha() and name[1:2] == ":")
    if odd or any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise NoResult(
            f"the file name {name!a} has a backslash, a drive or characters that are no text: "
            "rename it"
        )


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

    It is written beside the folder, where the app could lay no trap, and moved in.

    Raises:
        OSError: The app made a folder of that name, or the disk is full.
    """
    draft = folder.with_name(f"{folder.name}.{name}.part")
    draft.write_bytes(content)
    draft.replace(folder / name)
