"""Result archives: the same files always give the same bytes."""

from __future__ import annotations

import os
import shutil
import stat
import zipfile
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO, Final

from poolhand.domain.computed import NoResult
from poolhand.observe.private import sync_folder
from poolhand.worker.result_files import open_plain, result_files

MAX_RATIO: Final = 75
"""Receivers take what expands to far more for a bomb (our results service: beyond 200 times the
archive without its directory, which may be three fifths of it)."""
MAX_STORED: Final = 64 * 1024**2
"""Bytes of files that say next to nothing and yet are stored as they are: an archive is kept for
long, and holes of a sparse file cost an app nothing."""
BYTES_PACKED_AT_ONCE: Final = 1024**2
_DATE: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = stat.S_IFREG | 0o644
_UNIX: Final = 3


def pack(folder: Path, archive: Path) -> None:
    """Zip the regular files below ``folder``: sorted, without their dates, owners and modes.

    ``archive`` appears whole or not at all, and is on disk when this returns. Files that would
    shrink to less than a 75th are stored as they are, up to 64 MiB of them.

    Raises:
        NoResult: The files cannot be packed; the message says why.
        OSError: The disk is full or broken.
    """
    with NamedTemporaryFile(dir=archive.parent, prefix=".", suffix=".part", delete=False) as draft:
        place = Path(draft.name)
        try:
            total = _write(folder, draft, zipfile.ZIP_DEFLATED)
            if total > MAX_RATIO * draft.tell():
                _check_stored(total, draft.tell())
                draft.seek(0)
                draft.truncate()
                _write(folder, draft, zipfile.ZIP_STORED)
            draft.flush()
            os.fsync(draft.fileno())
            place.replace(archive)
        finally:
            place.unlink(missing_ok=True)
    sync_folder(archive.parent)


def _check_stored(total: int, packed: int) -> None:
    if total > MAX_STORED:
        raise NoResult(
            f"the app left {total} bytes that pack to {packed}, as sparse or blank files do: more "
            f"than {MAX_STORED} of such are not taken; let it write what they say, or pack them"
        )


def _write(folder: Path, draft: IO[bytes], method: int) -> int:
    """Write the archive and return the size of its files."""
    total = 0
    with zipfile.ZipFile(draft, "w") as made:
        for name, path in result_files(folder):
            with open_plain(path) as source:
                entry = _entry(name, os.fstat(source.fileno()).st_size, method)
                with made.open(entry, "w") as packed:
                    shutil.copyfileobj(source, packed, BYTES_PACKED_AT_ONCE)
            total += entry.file_size
    draft.seek(0, os.SEEK_END)
    return total


def _entry(name: str, size: int, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _DATE)
    entry.compress_type, entry.create_system = method, _UNIX
    entry.external_attr, entry.file_size = _MODE << 16, size
    return entry
