"""What a journal has taken survives a power cut: it is on disk before anybody goes on."""

from __future__ import annotations

import os
from contextlib import contextmanager

import pytest
from sqlalchemy import event
from sqlalchemy.pool import Pool

from poolhand.domain.errors import BrokenPrecondition
from poolhand.store import lines
from poolhand.store.errors import JournalUnwritable
from poolhand.store.file import FileJournal
from poolhand.store.memory import MemoryJournal
from poolhand.store.sql import SqlJournal


class Disk:
    """Syncs for real, and knows how much of each file and folder would survive."""

    def __init__(self):
        self.kept, self.order, self.failure = {}, [], None

    def __call__(self, handle):
        if self.failure is not None:
            raise self.failure
        os.fsync(handle)
        found = os.fstat(handle)
        self.kept[found.st_ino] = found.st_size
        self.order.append(found.st_ino)

    def holds_all_of(self, path):
        found = path.stat()
        return self.kept.get(found.st_ino) == found.st_size


@pytest.fixture
def disk():
    return Disk()


def test_an_event_is_on_disk_when_append_returns(tmp_path, disk):
    path = tmp_path / "journal"
    journal = FileJournal(path, sync=disk)
    for number in range(3):
        journal.append("a", {"n": number})
        assert disk.holds_all_of(path)
    journal.append_all([("a", {"n": 3}), ("b", {"n": 4})])
    assert disk.holds_all_of(path)
    journal.forget("a")
    assert disk.holds_all_of(path)
    journal.close()


def test_a_new_journal_is_in_its_folder_on_disk_before_anything_is_written(tmp_path, disk):
    FileJournal(tmp_path / "journal", sync=disk).close()
    assert disk.order == [tmp_path.stat().st_ino]


def test_a_torn_line_is_cut_off_on_disk_before_anything_follows_it(tmp_path, disk):
    path = tmp_path / "journal"
    FileJournal(path).close()
    path.write_bytes(b'{"v":1,"n"')
    FileJournal(path, sync=disk).close()
    assert path.stat().st_size == 0
    assert disk.holds_all_of(path)


def test_a_rewritten_journal_is_on_disk_before_it_takes_the_place_of_the_old(tmp_path, disk):
    path = tmp_path / "journal"
    journal = FileJournal(path, sync=disk)
    journal.append("a", {"n": 1})
    disk.order.clear()
    journal.compact()
    assert disk.order == [path.stat().st_ino, tmp_path.stat().st_ino]
    assert disk.holds_all_of(path)
    journal.close()


def test_what_cannot_be_put_on_disk_is_refused_and_not_recorded(tmp_path, disk):
    journal = FileJournal(tmp_path / "journal", sync=disk)
    disk.failure = OSError(5, "I/O error")
    with pytest.raises(JournalUnwritable):
        journal.append("a", {})
    disk.failure = None
    assert list(journal.read()) == []
    journal.close()


def test_a_folder_is_synced_for_real_unless_a_test_looks(tmp_path):
    assert lines.sync_folder.__defaults__ == (os.fsync,)
    assert lines.replace.__defaults__ == (os.fsync,)
    assert FileJournal.__init__.__defaults__[-1] is os.fsync


@contextmanager
def pragmas(*names):
    """Collect what SQLite has in force on every connection that is taken into use."""
    found = []

    def look(connection, _record, _proxy):
        found.append({name: connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names})

    event.listen(Pool, "checkout", look)
    try:
        yield found
    finally:
        event.remove(Pool, "checkout", look)


def test_sqlite_syncs_every_commit_and_admits_one_program(tmp_path):
    full = 2
    with pragmas("synchronous", "journal_mode", "locking_mode") as found:
        SqlJournal(f"sqlite:///{tmp_path}/journal.db").close()
    assert found == [{"synchronous": full, "journal_mode": "wal", "locking_mode": "exclusive"}]


@pytest.mark.parametrize("kind", ["memory", "file", "sqlite"])
def test_half_of_a_surrogate_pair_is_refused_by_every_journal_and_not_recorded(kind, tmp_path):
    made = {
        "memory": MemoryJournal,
        "file": lambda: FileJournal(tmp_path / "j"),
        "sqlite": lambda: SqlJournal(f"sqlite:///{tmp_path}/j.db"),
    }[kind]()
    with pytest.raises(BrokenPrecondition):
        made.append("a", {"text": "\ud800"})
    made.append("a", {"text": "fine"})
    assert [each for _, each in made.read()] == [{"text": "fine"}]
    made.close()
