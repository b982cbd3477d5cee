"""The archive of a layer, read forward only, header by header, each step of it bounded.

Python's ``tarfile`` takes into memory as much as a header says, follows headers of headers by
recursion, builds the map of a sparse file however long it is, and before 3.11.10 and 3.12.6 looks
for pax records in a time that grows with their square (CVE-2024-6232) while no other thread runs.
No public way of it bounds all that. A layer is a stranger's: so only ``TarInfo.frombuf``, which
reads one block, is taken of it.

Source: POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"; GNU tar 1.35,
"Basic Tar Format"; OCI image specification 1.0, layer.md (no sparse files); what Docker's engine
does with global headers.
"""

from __future__ import annotations

import hashlib
import tarfile
import threading
from collections.abc import Iterator
from tarfile import BLOCKSIZE, TarInfo
from typing import IO, Final

MOST_HEADER_BYTES: Final = 1024**2
"""Bytes of all headers of one file: its names, times and attributes."""
_PIECE: Final = 1024**2
_NAMES: Final = {tarfile.GNUTYPE_LONGNAME: "path", tarfile.GNUTYPE_LONGLINK: "linkpath"}
_RECORDS: Final = (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE)
_OF_THE_NEXT: Final = (*_NAMES, *_RECORDS, tarfile.XGLTYPE)
"""Kinds of headers that tell of the file after them."""
_EMPTY: Final = (
    tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.DIRTYPE,
    tarfile.FIFOTYPE,
)  # fmt: skip
"""Kinds of files without content, whatever their size says."""
_SPARSE: Final = "GNU.sparse."
_MOST_LENGTH_DIGITS: Final = 20
"""Of a record's length."""


class BadLayer(Exception):
    """A layer is no archive, or holds what no honest one does."""


class LayersTooLarge(Exception):
    """An image has more bytes or names than it may."""


class LayerAbandoned(Exception):
    """Nobody waits for this layer any more."""


class LayerArchive:
    """One layer.

    Args:
        source: The layer, out of its compression.
        most: Bytes that may come of it.
        abandoned: Set by whoever does not wait for it any more.
    """

    def __init__(self, source: IO[bytes], most: int, abandoned: threading.Event) -> None:
        self._source, self._most, self._abandoned = source, most, abandoned
        self._sha256 = hashlib.sha256()
        self._left = 0

    @property
    def digest(self) -> str:
        """Of what has come so far, as ``sha256:…``."""
        return f"sha256:{self._sha256.hexdigest()}"

    def __iter__(self) -> Iterator[TarInfo]:
        """Yield the files, each to be read (``content``) or not before the next one.

        Raises:
            BadLayer, LayersTooLarge, LayerAbandoned: As their names say.
            tarfile.HeaderError, ValueError: A header is none.
        """
        told, room = dict[str, str](), MOST_HEADER_BYTES
        while (block := self._header()) is not None:
            member = TarInfo.frombuf(block, "utf-8", "surrogateescape")
            if member.type in _OF_THE_NEXT:
                room -= BLOCKSIZE + member.size
                if room < 0 or member.size < 0:
                    raise BadLayer(f"headers of more than {MOST_HEADER_BYTES} bytes")
                told |= _told(member.type, self._exactly(member.size))
                self._exactly(-member.size % BLOCKSIZE)
                continue
            _apply(member, told)
            self._left = member.size
            yield member
            for _ in self.content():
                pass
            self._exactly(-member.size % BLOCKSIZE)
            told, room = {}, MOST_HEADER_BYTES

    def content(self) -> Iterator[bytes]:
        """Yield the content of the file that was told of last, as far as it was not read yet."""
        while self._left:
            piece = self._exactly(min(self._left, _PIECE))
            self._left -= len(piece)
            yield piece

    def finish(self) -> None:
        """Read what stands behind the end: it counts for the digest."""
        while self._read(_PIECE):
            pass

    def _header(self) -> bytes | None:
        block = self._read(BLOCKSIZE)
        if not block.strip(b"\0"):
            return None
        if len(block) < BLOCKSIZE:
            raise BadLayer("it breaks off")
        return block

    def _exactly(self, size: int) -> bytes:
        data = self._read(size) if size else b""
        if len(data) < size:
            raise BadLayer("it breaks off")
        return data

    def _read(self, size: int) -> bytes:
        if self._abandoned.is_set():
            raise LayerAbandoned
        data = self._source.read(size)
        self._most -= len(data)
        if self._most < 0:
            raise LayersTooLarge
        self._sha256.update(data)
        return data


def _told(kind: bytes, body: bytes) -> dict[str, str]:
    """Return what a header tells of the file after it; what is said of all files is left out."""
    if kind in _NAMES:
        return {_NAMES[kind]: _text(body.partition(b"\0")[0])}
    return dict(_records(body)) if kind in _RECORDS else {}


def _records(body: bytes) -> Iterator[tuple[str, str]]:
    """Read ``LENGTH KEY=VALUE`` with a line's end, one behind another."""
    here = 0
    while here < len(body) and body[here]:
        digits = body[here : here + _MOST_LENGTH_DIGITS + 1].partition(b" ")[0]
        end = here + int(digits) if digits.isdigit() else here
        record = body[here + len(digits) + 1 : end]
        key, equals, value = record[:-1].partition(b"=")
        if end > len(body) or record[-1:] != b"\n" or not key or not equals:
            raise BadLayer("a record of a header that is none")
        yield _text(key), _text(value)
        here = end


def _text(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


def _apply(member: TarInfo, told: dict[str, str]) -> None:
    """Give a file what its headers before told of it."""
    if member.type == tarfile.GNUTYPE_SPARSE or any(key.startswith(_SPARSE) for key in told):
        raise BadLayer("a sparse file")
    member.name = told.get("path", member.name)
    member.linkname = told.get("linkpath", member.linkname)
    member.uid, member.gid = int(told.get("uid", member.uid)), int(told.get("gid", member.gid))
    member.mtime = float(told.get("mtime", min(member.mtime, 2**63)))
    member.size = 0 if member.type in _EMPTY else int(told.get("size", member.size))
    if member.size < 0:
        raise BadLayer("a file of less than no bytes")
