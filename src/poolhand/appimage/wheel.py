"""One wheel, which is a stranger's archive: what it says of itself, and its files for an image.

Nothing of it is run or unpacked here: its files are read one by one into a layer, each under a name
that was checked, and no more bytes of it than it announced, which are bounded in all.

Source: PyPA, "Binary distribution format" (the spread of ``.data``, ``#!python``), "Entry points
specification", "Core metadata"; PKWARE, APPNOTE.TXT 6.3.10, 4.3.14 and 4.3.16 (end records).
"""

from __future__ import annotations

import configparser
import io
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from email.parser import BytesHeaderParser
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Final
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from poolhand.appimage.image import LONGEST_IMAGE_PATH, PACKAGES_FOLDER
from poolhand.appimage.layers import ContentChanged, LayerEntry, Streamed, Text
from poolhand.domain.errors import PeerFault
from poolhand.domain.text import is_plain, shown

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PACKAGES_PREFIX: Final = str(PurePosixPath(PACKAGES_FOLDER).parent)
SCRIPTS_FOLDER: Final = f"{PACKAGES_PREFIX}/bin"
MOST_WHEEL_METADATA: Final = 4 * 1024**2
"""Bytes of what a wheel says of itself."""
MOST_FIRST_LINE: Final = 4096
"""Bytes of the first line of a script."""
MOST_DIRECTORY: Final = 64 * 1024**2
"""Bytes of an archive's directory, which is read as a whole: half a million names."""
_TAIL: Final = 65_557
"""Bytes at the end of an archive in which its end record lies, with the longest comment."""
_END: Final = b"PK\5\6"
_LARGE_END: Final = b"PK\6\6"
_LARGE_END_PLACE: Final = b"PK\6\7"
_END_SIZE, _PLACE_SIZE, _LARGE_END_SIZE = 22, 20, 56
_PYTHON_HERE: Final = b"#!/usr/bin/env python3"
_SPREAD: Final = re.compile(r"[^/]+\.data/(purelib|platlib|scripts|data|headers)/(.+)")
_BROKEN: Final = (BadZipFile, zlib.error, NotImplementedError, EOFError, ValueError, struct.error)
_COMMAND: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,99}")
_CALLED: Final = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_][\w.]*)\s*(\[.*\])?", re.ASCII)


class UnfitWheel(PeerFault):
    """A wheel is none, or holds what no honest one does."""

    def __init__(self, wheel: Path, why: str) -> None:
        super().__init__(
            f"{shown(wheel.name, 120)} is not taken, for {why}: whoever made it must repair it; "
            "take another version of the package, or get it from an index that you trust"
        )


@dataclass(frozen=True, slots=True)
class Wheel:
    """A wheel on disk; ``name`` as packages are compared, ``needs`` with their markers."""

    path: Path
    name: str
    version: str
    needs: tuple[Requirement, ...]

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


def read_wheel(path: Path) -> Wheel:
    """Read what a wheel says of itself; raises UnfitWheel."""
    from packaging.requirements import InvalidRequirement, Requirement  # noqa: PLC0415
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename  # noqa: PLC0415

    try:
        name, version, _, _ = parse_wheel_filename(path.name)
        with opened_wheel(path) as archive:
            listed = [each for each in archive.namelist() if _is_of_dist_info(each, "METADATA")]
            told = BytesHeaderParser().parsebytes(_member(path, archive, "".join(listed[:1])))
        needs = tuple(map(Requirement, map(str, told.get_all("Requires-Dist", []))))
    except (InvalidWheelFilename, InvalidRequirement, KeyError) as fault:
        raise UnfitWheel(path, "it does not say what it is and needs") from fault
    return Wheel(path, name, str(version), needs)


@contextmanager
def opened_wheel(path: Path) -> Iterator[ZipFile]:
    """Open a wheel whose directory is not too long to be read; raises UnfitWheel."""
    try:
        if _directory_size(path) > MOST_DIRECTORY:
            raise UnfitWheel(path, "it has too many files")
        with ZipFile(path) as archive:
            yield archive
    except _BROKEN as fault:
        raise UnfitWheel(path, "it is no sound archive") from fault


def _directory_size(path: Path) -> int:
    """Return the bytes of an archive's directory; raises BadZipFile where that can be two."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - _TAIL - 128))
        tail = file.read(_TAIL + 128)
    ends = list(_ends(tail))
    if len(ends) != 1:
        raise BadZipFile("it has no end, or two")
    (at,) = ends
    if at != len(tail) - _END_SIZE and at != tail.rfind(_END):
        raise BadZipFile("another end may be read")  # zipfile takes the last where none is bare
    (found,) = struct.unpack_from("<I", tail, at + 12)
    if tail[max(0, at - _PLACE_SIZE) :].startswith(_LARGE_END_PLACE):
        large = at - _PLACE_SIZE - _LARGE_END_SIZE
        if large < 0 or not tail.startswith(_LARGE_END, large):
            raise BadZipFile("its directory is nowhere")
        found = max(found, struct.unpack_from("<Q", tail, large + 40)[0])
    return int(found)


def _ends(tail: bytes) -> Iterator[int]:
    """Yield where an end record begins whose comment is what is left of an archive."""
    at = tail.find(_END)
    while 0 <= at <= len(tail) - _END_SIZE:
        if struct.unpack_from("<H", tail, at + 20)[0] == len(tail) - at - _END_SIZE:
            yield at
        at = tail.find(_END, at + 1)


def wheel_entries(path: Path, archive: ZipFile) -> dict[str, LayerEntry]:
    """Return the files of a wheel by their names in an image; read while the archive is open.

    Raises:
        UnfitWheel: A name leads out, or what is there is no plain file.
    """
    entries: dict[str, LayerEntry] = {}
    for info in archive.infolist():
        if info.is_dir():
            continue
        _demand_plain(path, info)
        found = _SPREAD.fullmatch(info.filename)
        kind, rest = (found[1], found[2]) if found else ("purelib", info.filename)
        if kind == "scripts":
            entries[f"{SCRIPTS_FOLDER}/{rest}"] = _script(path, archive, info)
        elif kind != "headers":
            below = PACKAGES_PREFIX if kind == "data" else PACKAGES_FOLDER
            entries[f"{below}/{rest}"] = _streamed(path, archive, info)
    return {**entries, **_commands(path, archive)}


def _demand_plain(path: Path, info: ZipInfo) -> None:
    name = info.filename
    parts = name.split("/")
    mode = info.external_attr >> 16
    if (
        any(each in ("", ".", "..") for each in parts)
        or "\\" in name
        or not is_plain(name)
        or len(name.encode()) > LONGEST_IMAGE_PATH
    ):
        raise UnfitWheel(path, f"a file of it is called '{shown(name, 80)}'")
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise UnfitWheel(path, f"'{shown(name, 80)}' in it is no plain file")
    if info.flag_bits & 1 or info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise UnfitWheel(path, f"'{shown(name, 80)}' in it is encrypted or packed in a rare way")


def _streamed(path: Path, archive: ZipFile, info: ZipInfo) -> Streamed:
    executable = bool(info.external_attr >> 16 & 0o111)
    return Streamed(info.file_size, lambda: _opened(path, archive, info), executable)


@contextmanager
def _opened(path: Path, archive: ZipFile, info: ZipInfo) -> Iterator[IO[bytes]]:
    """Open a file of a wheel; what of it is broken is that wheel's fault, and of no other."""
    try:
        with archive.open(info) as file:
            yield file
    except (*_BROKEN, ContentChanged) as fault:
        raise UnfitWheel(path, f"'{shown(info.filename, 80)}' in it is broken") from fault


def _script(path: Path, archive: ZipFile, info: ZipInfo) -> LayerEntry:
    """Return a script, whose first line may name no Python but this image's."""
    as_it_is = replace(_streamed(path, archive, info), executable=True)
    with _opened(path, archive, info) as file:
        line = file.readline(MOST_FIRST_LINE)
    if not line.startswith(b"#!python"):
        return as_it_is
    if len(line) == MOST_FIRST_LINE:
        raise UnfitWheel(path, f"'{shown(info.filename, 80)}' in it begins with too long a line")
    first = _PYTHON_HERE + (b"\n" if line.endswith(b"\n") else b"")

    @contextmanager
    def opener() -> Iterator[_BeginsWith]:
        with _opened(path, archive, info) as file:
            file.read(len(line))
            yield _BeginsWith(first, file)

    size = max(0, info.file_size - len(line)) + len(first)
    return Streamed(size, opener, executable=True)


class _BeginsWith:
    """Reads what is given first, and then a file."""

    def __init__(self, first: bytes, rest: IO[bytes]) -> None:
        self._first, self._rest = first, rest

    def read(self, size: int = 0, /) -> bytes:
        head, self._first = self._first[:size], self._first[size:]
        return head + (self._rest.read(size - len(head)) if size > len(head) else b"")


def _commands(path: Path, archive: ZipFile) -> dict[str, LayerEntry]:
    """Return the commands that a wheel would have an installer write."""
    listed = [each for each in archive.namelist() if _is_of_dist_info(each, "entry_points.txt")]
    entries: dict[str, LayerEntry] = {}
    for each in listed[:1]:
        read = configparser.RawConfigParser(delimiters=("=",), strict=False)
        read.optionxform = str  # type: ignore[assignment,method-assign]  # as it is typed
        try:
            read.read_string(_member(path, archive, each).decode())
        except (configparser.Error, UnicodeDecodeError) as fault:
            raise UnfitWheel(path, "its entry points cannot be read") from fault
        for name, called in read.items("console_scripts") if "console_scripts" in read else ():
            found = _CALLED.fullmatch(called.strip())
            if _COMMAND.fullmatch(name) and found:
                module, function = found[1], found[2]
                entries[f"{SCRIPTS_FOLDER}/{name}"] = Text(
                    "#!/usr/bin/env python3\nimport sys\n"
                    f"from {module} import {function.partition('.')[0]}\n"
                    f"sys.exit({function}())\n",
                    executable=True,
                )
    return entries


def _is_of_dist_info(name: str, file: str) -> bool:
    folder, _, rest = name.partition("/")
    return folder.endswith(".dist-info") and rest == file


def _member(path: Path, archive: ZipFile, name: str, most: int = MOST_WHEEL_METADATA) -> bytes:
    """Return a small file of a wheel; raises KeyError where it has none of that name."""
    info = archive.getinfo(name)
    if info.file_size > most:
        raise UnfitWheel(path, f"its {shown(name, 80)} is too long")
    with archive.open(info) as file:
        return file.read(most)
