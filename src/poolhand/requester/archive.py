"""Result archives: ZIP files from strangers, read with limits and unpacked with care."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Final

from poolhand.domain.archive_names import BadName, NameTree
from poolhand.domain.computed import COMPUTED_FILE, MAX_COMPUTED, Computed
from poolhand.domain.encrypted_result import is_encrypted_result, told_digest
from poolhand.domain.errors import PeerFault, Refused
from poolhand.domain.ids import ResultDigest

MAX_FILES: Final = 100_000
MAX_BYTES: Final = 32 * 1024**3
"""Unpacked, all files together."""
_BLOCK: Final = 1024 * 1024
_ENCRYPTED: Final = 0x1
_METHODS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGE: Final = (zipfile.BadZipFile, zlib.error, struct.error, OSError, NotImplementedError,
                  EOFError, ValueError)  # fmt: skip
"""What reading a damaged archive raises."""


class BadArchive(PeerFault):
    """A result archive is damaged or made to harm."""


class TargetExists(Refused):
    """What would be written is there already."""


def digests(archive: Path) -> tuple[Computed, dict[str, bytes]]:
    """Read ``computed.json`` and the sha256 of every file by its path in the archive.

    Raises:
        BadArchive: Not a ZIP file, damaged, oversized, or with names that leave the folder.
        NoResult: ``computed.json`` is not what it should be.
    """
    files: dict[str, bytes] = {}
    computed = b""
    try:
        with zipfile.ZipFile(archive) as opened:
            budget = MAX_BYTES
            for entry in _entries(opened):
                digest = sha256()
                for block in _blocks(opened, entry):
                    budget -= len(block)
                    _demand(budget >= 0, f"it unpacks to more than {MAX_BYTES} bytes")
                    digest.update(block)
                    if entry.filename == COMPUTED_FILE and len(computed) <= MAX_COMPUTED:
                        computed += block
                files[entry.filename] = digest.digest()
    except _DAMAGE as fault:
        raise BadArchive(f"result archive {archive.name} is damaged: {fault}") from fault
    _demand(COMPUTED_FILE in files, f"it has no {COMPUTED_FILE}")
    return Computed.parse(computed), files


def encrypted_digest(archive: Path) -> ResultDigest | None:
    """Return the digest that an encrypted archive tells of what is in it; None: it is none.

    Raises:
        BadArchive, NoResult: It is damaged, or tells none.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            if not is_encrypted_result([each.filename for each in _entries(opened)]):
                return None
            with opened.open(COMPUTED_FILE) as file:
                return told_digest(file.read(MAX_COMPUTED))
    except (*_DAMAGE, KeyError) as fault:
        raise BadArchive(f"result archive {archive.name} is damaged: {fault}") from fault


def extract(archive: Path, target: Path) -> None:
    """Unpack an archive that ``digests`` has passed into a folder that does not exist yet.

    Raises:
        TargetExists: The folder is there; nothing was written.
        BadArchive: As ``digests``.
    """
    try:
        target.mkdir(parents=True)
    except FileExistsError as fault:
        raise TargetExists(f"{target} is there already: move it away, or choose a folder") from (
            fault
        )
    with zipfile.ZipFile(archive) as opened:
        for entry in _entries(opened):
            path = target / entry.filename
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                for block in _blocks(opened, entry):
                    file.write(block)


def _entries(opened: zipfile.ZipFile) -> Iterator[zipfile.ZipInfo]:
    """Yield regular files with harmless names, each name once."""
    entries = opened.infolist()
    _demand(len(entries) <= MAX_FILES, f"it has more than {MAX_FILES} files")
    tree = NameTree()
    for entry in entries:
        try:
            tree.add(entry.orig_filename, is_folder=_is_folder(entry))
        except BadName as fault:
            raise BadArchive(f"the result archive is refused: {fault}") from fault
        mode = stat.S_IFMT(entry.external_attr >> 16)
        _demand(mode in (0, stat.S_IFREG, stat.S_IFDIR), f"'{entry.filename}' is no plain file")
        _demand(not entry.flag_bits & _ENCRYPTED, f"'{entry.filename}' is encrypted")
        _demand(entry.compress_type in _METHODS, f"'{entry.filename}' is packed by another method")
        if not _is_folder(entry):
            yield entry


def _is_folder(entry: zipfile.ZipInfo) -> bool:
    return entry.orig_filename.endswith("/")


def _blocks(opened: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    with opened.open(entry) as stream:
        while block := stream.read(_BLOCK):
            yield block


def _demand(holds: bool, why: str) -> None:
    if not holds:
        raise BadArchive(f"the result archive is refused: {why}")
