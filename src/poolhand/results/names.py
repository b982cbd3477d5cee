"""Which names a file in an archive may have, so that unpacking it harms nobody anywhere."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from poolhand.results.errors import UnsafeArchive

MAX_NAME: Final = 255
"""Bytes of a whole path, in UTF-8."""
_DRIVE: Final = re.compile(r"[A-Za-z]:")


def parts_of(name: str) -> tuple[str, ...]:
    """Split a path as written in an archive, without the slash that marks a folder.

    Raises:
        UnsafeArchive: Absolute, climbing, ambiguous, too long, or not printable.
    """
    shown = ascii(name[:80])
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME:
        raise UnsafeArchive(f"file name {shown}… is over {MAX_NAME} bytes")
    if name.startswith("/") or _DRIVE.match(name):
        raise UnsafeArchive(f"file name {shown} is absolute")
    if "\\" in name:
        raise UnsafeArchive(f"file name {shown} has a backslash")
    if any(unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise UnsafeArchive(f"file name {shown} has control characters")
    parts = tuple(name.removesuffix("/").split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise UnsafeArchive(f"file name {shown} leaves its folder or has empty parts")
    return parts


class Tree:
    """The names of one archive, as file systems that ignore case and normal form see them."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._files: set[tuple[str, ...]] = set()

    def add(self, name: str, *, is_folder: bool) -> None:
        """Add an entry.

        Raises:
            UnsafeArchive: The name is bad in itself, or two entries would meet on disk.
        """
        parts = parts_of(name)
        above = parts if is_folder else parts[:-1]
        for depth in range(1, len(above) + 1):
            self._add_folder(above[:depth], name)
        if not is_folder:
            key = _fold(parts)
            if key in self._files or key in self._folders:
                raise _meets(name)
            self._files.add(key)

    def _add_folder(self, parts: tuple[str, ...], name: str) -> None:
        key = _fold(parts)
        if key in self._files or self._folders.setdefault(key, parts) != parts:
            raise _meets(name)


def _fold(parts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(unicodedata.normalize("NFC", part).casefold() for part in parts)


def _meets(name: str) -> UnsafeArchive:
    return UnsafeArchive(
        f"file name {name[:80]!a} meets another one, or differs from it only in case"
    )
