r"""Which names a file in a result may have: one rule for worker, results service and requester.

The worker asks before anything is staked, the results service before it takes an archive, the
requester before it unpacks one; so what is paid for can be had. A name is refused that

- is not valid Unicode, or takes over 255 bytes in UTF-8 with all its folders;
- is absolute (``/x``, ``c:x``), climbs (``..``), or has empty parts, ``.`` or a backslash;
- holds what commands a terminal or hides: controls, bidirectional and zero-width characters, line
  separators (``a\u202egpj.exe`` reads as a picture), spaces other than U+0020, private use;
- meets another name of the same result on a disk that ignores case or normal form, or needs a
  folder where another name is a file.

Characters that Unicode has not assigned are taken: whether they are is a question of the Python
that asks, and one rule must not depend on it.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.text import HIDDEN_CHARACTERS, is_well_formed, shown

MAX_ARCHIVE_PATH: Final = 255
"""Bytes of a whole path, in UTF-8."""
_SPACES: Final = r"\xa0\u1680\u2000-\u200a\u202f\u205f\u3000"
_PRIVATE: Final = r"\ue000-\uf8ff\U000f0000-\U0010ffff"
_UNSEEN: Final = re.compile(f"[{HIDDEN_CHARACTERS}{_SPACES}{_PRIVATE}]")
_MOST_TOLD_OF_NAME: Final = 80
"""Characters of a name in a message."""


class BadName(Refused):
    """A file name that cannot travel in a result; the message says why and what to do."""

    def __init__(self, name: str, why: str) -> None:
        super().__init__(f"the file name '{_tell(name)}' {why}")


def parts_of(name: str) -> tuple[str, ...]:
    """Split a path with ``/`` between its parts, without the slash that marks a folder.

    Raises:
        BadName: It may not be in a result.
    """
    if not is_well_formed(name):
        raise BadName(name, "is not valid Unicode: rename it")
    if len(name.encode()) > MAX_ARCHIVE_PATH:
        raise BadName(name, f"takes over {MAX_ARCHIVE_PATH} bytes: shorten it")
    if name.startswith("/") or name[1:2] == ":":
        raise BadName(name, "is absolute, or names a drive: rename it")
    if "\\" in name:
        raise BadName(name, "has a backslash: rename it")
    unseen = _UNSEEN.search(name)
    if unseen is not None:
        raise BadName(
            name, f"holds U+{ord(unseen[0]):04X}, which cannot be seen as what it is: rename it"
        )
    parts = tuple(name.removesuffix("/").split("/"))
    if any(part in ("", ".", "..") for part in parts):
        raise BadName(name, "leaves its folder, or has empty parts: rename it")
    return parts


class NameTree:
    """The names of one result, as file systems that ignore case and normal form see them."""

    def __init__(self) -> None:
        self._folders: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._files: dict[tuple[str, ...], str] = {}

    def add(self, name: str, *, is_folder: bool = False) -> None:
        """Add a file or folder.

        Raises:
            BadName: It is bad in itself, or two names would meet on some disk.
        """
        parts = parts_of(name)
        folded = _fold(parts)
        for depth in range(len(parts) if is_folder else len(parts) - 1, 0, -1):
            if self._knows_folder(folded[:depth], parts[:depth], name):
                break  # then those above it are known, too
        if not is_folder:
            self._add_file(folded, name)

    def _add_file(self, key: tuple[str, ...], name: str) -> None:
        other = self._files.get(key) or "/".join(self._folders.get(key, ()))
        if other:
            raise _meets(name, other)
        self._files[key] = name

    def _knows_folder(self, key: tuple[str, ...], parts: tuple[str, ...], name: str) -> bool:
        """Add a folder, if it is not known yet; return whether it was."""
        other = self._folders.get(key)
        if key in self._files or other not in (None, parts):
            raise _meets(name, self._files.get(key) or "/".join(other or ()))
        self._folders[key] = parts
        return other is not None


def _fold(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return what all spellings that some disk takes for one have in common (Unicode D145)."""
    return tuple(
        unicodedata.normalize("NFD", unicodedata.normalize("NFD", part).casefold())
        for part in parts
    )


def _meets(name: str, other: str) -> BadName:
    return BadName(
        name,
        f"and '{_tell(other)}' are the same to some systems, which cannot tell them apart: "
        "rename one",
    )


def _tell(name: str) -> str:
    """Write a name for a message: every character can be seen."""
    return _UNSEEN.sub(lambda found: ascii(found[0])[1:-1], shown(name, _MOST_TOLD_OF_NAME))
