"""A copy of a journal to look at: the original is neither locked nor written, nor even repaired."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

from poolhand.domain.errors import Refused
from poolhand.observe.private import create_private
from poolhand.ports.journal import Journal
from poolhand.store.errors import JournalCorrupt
from poolhand.store.file import FileJournal

SERVER_URL: Final = re.compile(r"postgres(ql)?(\+psycopg)?://")
"""How the URL of a database begins that a server has."""
_SQLITE: Final = b"SQLite format 3\0"
"""How every database of SQLite begins."""


class Readable(Protocol):
    """What a journal is for whoever only looks."""

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) in order of writing."""


class NothingToRead(Refused):
    """No journal lies there."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"there is no journal {path}: name the database of a pool (pool.db, or the URL of one "
            "of PostgreSQL) or the file `journal` in a worker's folder"
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


@contextmanager
def snapshot_of(where: str) -> Iterator[Readable]:
    """Yield a copy of a journal by its file, or by the URL of a server's database; as ``snapshot``.

    Raises:
        JournalUnreadable: The URL is none, or its server does not answer or has no journal for us.
    """
    if not SERVER_URL.match(where):
        with snapshot(Path(where)) as journal:
            yield journal
        return
    from poolhand.store.server_copy import ServerCopy  # noqa: PLC0415 - a worker has no SQLAlchemy

    copy = ServerCopy(where)
    try:
        yield copy
    finally:
        copy.close()


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
