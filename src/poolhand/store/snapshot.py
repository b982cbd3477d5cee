"""A copy of a journal to look at: the original is neither locked nor written, nor even repaired."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.observe.private import create_private
from poolhand.ports.journal import Journal
from poolhand.store.errors import JournalCorrupt
from poolhand.store.file import FileJournal

_SQLITE: Final = b"SQLite format 3\0"
"""How every database of SQLite begins."""


class NothingToRead(Refused):
    """No journal lies there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no journal {path}: name the database of a pool (pool.db) or the file "
            "`journal` in a worker's folder"
        )


@contextmanager
def snapshot(path: Path) -> Iterator[Journal]:
    """Yield a copy of a journal file or of an SQLite database.

    The program whose journal it is may run: what it wrote in the last moment may be missing.

    Raises:
        NothingToRead: There is no such file.
        JournalCorrupt: A record was altered; the original is named.
        JournalTooNew: A later version wrote it.
    """
    if not path.is_file():
        raise NothingToRead(path)
    with TemporaryDirectory(prefix="poolhand-journal-") as folder:
        journal = None
        try:
            journal = _copied(path, Path(folder) / "journal")
            yield journal
        except JournalCorrupt as fault:
            raise JournalCorrupt(str(path), fault.line, fault.why) from fault
        finally:
            if journal is not None:
                journal.close()


def _copied(path: Path, copy: Path) -> Journal:
    create_private(copy)
    shutil.copyfile(path, copy)
    with copy.open("rb") as file:
        is_database = file.read(len(_SQLITE)) == _SQLITE
    if not is_database:
        return FileJournal(copy)
    beside = path.with_name(path.name + "-wal")  # what was committed last
    if beside.is_file():
        shutil.copyfile(beside, copy.with_name(copy.name + "-wal"))
    from poolhand.store.sql import SqlJournal  # noqa: PLC0415 - a worker has no SQLAlchemy

    return SqlJournal(f"sqlite:///{copy}")
