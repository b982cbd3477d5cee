"""What a program keeps is its owner's alone: made so, and narrowed where an older one was wider."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from poolhand.observe.private import narrow, private_folder
from poolhand.store.file import FileJournal
from poolhand.store.results_disk import DiskResults
from poolhand.store.sql import SqlJournal


@pytest.fixture(autouse=True)
def generous():
    """Run with the umask of a usual shell."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def others(path: Path) -> list[str]:
    """Return what lies at or below a path and can be used by others."""
    found = [path, *path.rglob("*")] if path.is_dir() else [path]
    return [str(each) for each in found if stat.S_IMODE(each.lstat().st_mode) & 0o077]


def keeper(kind: str, folder: Path):
    if kind == "sqlite":
        return SqlJournal(f"sqlite:///{folder / 'pool.db'}")
    return FileJournal(folder / "journal")


@pytest.mark.case("N1")
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_journal_is_its_owners_alone_and_stays_so(tmp_path, kind):
    folder = tmp_path / "base"
    folder.mkdir(mode=0o700)
    journal = keeper(kind, folder)
    journal.append("a", {"n": 1})
    if kind == "file":
        journal.compact()
    journal.append("a", {"n": 2})
    assert others(folder) == []
    journal.close()


@pytest.mark.case("N1")
@pytest.mark.parametrize("kind", ["file", "sqlite"])
def test_a_journal_of_an_older_version_is_narrowed_when_it_is_opened(tmp_path, kind):
    folder = tmp_path / "base"
    folder.mkdir(mode=0o700)
    keeper(kind, folder).close()
    for each in folder.iterdir():
        each.chmod(0o644)
    again = keeper(kind, folder)
    assert [each for each in others(folder) if not each.endswith(".lock")] == []
    again.close()


@pytest.mark.case("N1")
def test_results_of_an_older_version_is_narrowed_when_they_are_opened(tmp_path):
    folder = tmp_path / "results"
    kept = folder / ("0x" + "1" * 64) / "archive.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}", encoding="utf-8")
    DiskResults(folder, str)
    assert others(kept) == others(folder / "incoming") == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.case("N1")
def test_a_folder_above_that_is_not_ours_keeps_its_mode(tmp_path):
    tmp_path.chmod(0o755)
    private_folder(tmp_path / "a" / "b")
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700


def test_narrowing_what_is_not_there_is_fine(tmp_path):
    narrow(tmp_path / "nothing")
