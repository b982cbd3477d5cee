"""Looking into an archive that a stranger sent, without unpacking it to disk.

The list of entries comes from the standard library after its size has been bounded; what each
entry holds is inflated here, because the library stops at the length that the archive claims and
so does not notice what another program would unpack beyond it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from poolhand.domain.archive_names import BadName, NameTree
from poolhand.domain.computed import COMPUTED_FILE, MAX_COMPUTED
from poolhand.ports.storage import ArchiveFile
from poolhand.results.errors import ArchiveTooLarge, UnsafeArchive

FREE_BYTES: Final = 16 * 1024**2
"""Expanded bytes that the ratio limit does not look at."""
_INFLATED_AT_ONCE: Final = 1024**2
_END: Final = struct.Struct("<4s4H2LH")
_LOCAL: Final = struct.Struct("<4s5H3L2H")
_ZIP64_LOCATOR: Final = b"PK\x06\x07"
_ENCRYPTED: Final = 0x1 | 0x40 | 0x2000
_DESCRIBED: Final = 0x8
_UTF8: Final = 0x800
_SEE_EXTRA: Final = 0xFFFFFFFF
"""A size that stands in an extra field."""
_ENTRY_BYTES: Final = 512
"""Most bytes of the directory per entry: 46, the name, and some extras."""
_DESCRIPTOR_BYTES: Final = 24


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Bytes of all files together, number of files, expanded to packed."""

    expanded: int
    files: int
    ratio: int


@dataclass(frozen=True, slots=True)
class Contents:
    """The files of an archive, their sha256 by path, and ``computed.json`` if there is one."""

    files: tuple[ArchiveFile, ...]
    digests: dict[str, bytes]
    computed: bytes | None


def inspect(file: BinaryIO, limits: ArchiveLimits) -> Contents:
    """Read an archive to its end and check everything about it; blocks for as long as that takes.

    Raises:
        UnsafeArchive: No sound zip archive, or one that could harm who unpacks it.
        ArchiveTooLarge: Over a limit.
    """
    directory_at = _check_frame(file, limits)
    entries = _entries(file)
    if len(entries) > limits.files:
        raise ArchiveTooLarge(f"over {limits.files} entries")
    _check_entries(entries, limits, packed=directory_at)
    return _read(file, entries, directory_at)


def _check_frame(file: BinaryIO, limits: ArchiveLimits) -> int:
    """Check the end record and return where the directory starts; nothing is allocated yet."""
    size = file.seek(0, os.SEEK_END)
    start = size - _END.size
    raw = _at(file, max(start, 0), _END.size)
    if len(raw) != _END.size or not raw.startswith(b"PK\x05\x06"):
        raise UnsafeArchive("not a zip archive, or something follows its end")
    _, disk, first_disk, here, count, length, offset, comment = _END.unpack(raw)
    zip64 = start >= 20 and _at(file, start - 20, 4) == _ZIP64_LOCATOR
    if zip64 or disk or first_disk or here != count or comment:
        raise UnsafeArchive("the archive is in parts, has a comment, or is of the zip64 kind")
    if offset + length != start:
        raise UnsafeArchive("something lies before, between or behind the parts of the archive")
    if count > limits.files or length > limits.files * _ENTRY_BYTES:
        raise ArchiveTooLarge(f"the archive has {count} entries, {limits.files} are taken")
    return int(offset)


def _entries(file: BinaryIO) -> list[zipfile.ZipInfo]:
    try:
        with zipfile.ZipFile(file) as archive:
            return archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError) as fault:
        raise UnsafeArchive(f"the archive's directory does not read: {fault}") from fault


def _check_entries(entries: list[zipfile.ZipInfo], limits: ArchiveLimits, packed: int) -> None:
    tree, total = NameTree(), 0
    for entry in entries:
        _check_kind(entry)
        try:
            tree.add(entry.orig_filename, is_folder=_is_folder(entry))
        except BadName as fault:
            raise UnsafeArchive(str(fault)) from fault
        total += entry.file_size
    if total > limits.expanded:
        raise ArchiveTooLarge(f"the files come to {total} bytes, {limits.expanded} are taken")
    if total > max(FREE_BYTES, limits.ratio * packed):
        raise ArchiveTooLarge(
            f"the files are over {limits.ratio} times larger than the archive: pack less of it"
        )


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/")


def _check_kind(entry: zipfile.ZipInfo) -> None:
    name, kind = ascii(entry.orig_filename[:80]), stat.S_IFMT(entry.external_attr >> 16)
    if entry.orig_filename != entry.filename:
        raise UnsafeArchive(f"file name {name} has control characters")
    if entry.flag_bits & _ENCRYPTED:
        raise UnsafeArchive(f"{name} is encrypted inside the archive")
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsafeArchive(f"{name} is packed by method {entry.compress_type}: use deflate")
    if kind not in (0, stat.S_IFDIR if _is_folder(entry) else stat.S_IFREG):
        raise UnsafeArchive(f"{name} is a link, a device or another special file")
    if _is_folder(entry) and entry.file_size:
        raise UnsafeArchive(f"{name} is a folder with contents of its own")


def _read(file: BinaryIO, entries: list[zipfile.ZipInfo], end: int) -> Contents:
    """Read entries in the order in which they lie, which must fill the archive without overlap."""
    files: list[ArchiveFile] = []
    digests: dict[str, bytes] = {}
    computed, position, slack = None, 0, 0
    for entry in sorted(entries, key=lambda each: each.header_offset):
        start = _data_start(file, entry, position, slack)
        position = start + entry.compress_size
        slack = _DESCRIPTOR_BYTES if entry.flag_bits & _DESCRIBED else 0
        if position > end:
            raise UnsafeArchive(f"{entry.filename[:80]!a} reaches beyond the archive's data")
        wanted = MAX_COMPUTED + 1 if entry.filename == COMPUTED_FILE else 0
        digest, head = _hash(file, entry, start, wanted)
        if not _is_folder(entry):
            files.append(ArchiveFile(entry.filename, entry.file_size))
            digests[entry.filename] = digest
            computed = head if wanted else computed
    if end - position > slack:
        raise UnsafeArchive("something lies between the entries and their directory")
    return Contents(tuple(files), digests, computed)


def _data_start(file: BinaryIO, entry: zipfile.ZipInfo, position: int, slack: int) -> int:
    """Check an entry's own header against the directory; return where its data start."""
    name = ascii(entry.filename[:80])
    if not 0 <= entry.header_offset - position <= slack:
        raise UnsafeArchive(f"{name} overlaps another entry, or something lies before it")
    raw = _at(file, entry.header_offset, _LOCAL.size)
    if len(raw) != _LOCAL.size or not raw.startswith(b"PK\x03\x04"):
        raise UnsafeArchive(f"{name} has no header")
    _, _, flags, method, _, _, *told, name_length, extra_length = _LOCAL.unpack(raw)
    spelt = entry.orig_filename.encode("utf-8" if entry.flag_bits & _UTF8 else "cp437")
    same = (flags ^ entry.flag_bits) & (_ENCRYPTED | _DESCRIBED | _UTF8) == 0
    if file.read(name_length) != spelt or method != entry.compress_type or not same:
        raise UnsafeArchive(f"{name} is described in two ways")
    known = (entry.CRC, entry.compress_size, entry.file_size)
    if not flags & _DESCRIBED and any(
        theirs not in (ours, _SEE_EXTRA) for ours, theirs in zip(known, told, strict=True)
    ):
        raise UnsafeArchive(f"{name} has two sizes or checksums")
    return entry.header_offset + _LOCAL.size + int(name_length) + int(extra_length)


def _hash(file: BinaryIO, entry: zipfile.ZipInfo, start: int, wanted: int) -> tuple[bytes, bytes]:
    """Return the sha256 of what an entry holds, and its first ``wanted`` bytes."""
    digest, size, check, head = hashlib.sha256(), 0, 0, b""
    for chunk in _expanded(file, entry, start):
        size += len(chunk)
        if size > entry.file_size:
            break
        digest.update(chunk)
        check = zlib.crc32(chunk, check)
        head += chunk[: max(0, wanted - len(head))]
    if size != entry.file_size or check != entry.CRC:
        raise UnsafeArchive(f"{entry.filename[:80]!a} is damaged, or longer than it says")
    return digest.digest(), head


def _expanded(file: BinaryIO, entry: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    """Yield what an entry holds, in chunks of bounded size."""
    raw = _slices(file, start, entry.compress_size)
    if entry.compress_type == zipfile.ZIP_STORED:
        yield from raw
        return
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        for piece in raw:
            yield from _inflated(inflater, piece)
            if inflater.eof:
                break
        ended = inflater.eof and not inflater.unused_data and next(raw, None) is None
    except zlib.error as fault:
        raise UnsafeArchive(f"{entry.filename[:80]!a} does not inflate") from fault
    if not ended:
        raise UnsafeArchive(f"{entry.filename[:80]!a} does not end where it says")


def _inflated(inflater: zlib._Decompress, piece: bytes) -> Iterator[bytes]:
    chunk = bytes(_INFLATED_AT_ONCE)
    while not inflater.eof and (piece or len(chunk) == _INFLATED_AT_ONCE):
        chunk = inflater.decompress(piece, _INFLATED_AT_ONCE)
        piece = inflater.unconsumed_tail
        yield chunk


def _slices(file: BinaryIO, start: int, length: int) -> Iterator[bytes]:
    file.seek(start)
    while length > 0:
        piece = file.read(min(length, _INFLATED_AT_ONCE))
        if not piece:
            return
        length -= len(piece)
        yield piece


def _at(file: BinaryIO, offset: int, length: int) -> bytes:
    file.seek(offset)
    return file.read(length)
