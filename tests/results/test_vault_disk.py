"""The vault on disk: whole or absent, through crashes and damage."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.ports.vault import Archive, ArchiveFile
from poolhand.store.vault_disk import DiskVault, VaultDown, VaultFull

ARCHIVE = Archive(
    TaskId(bytes([1] * 32)),
    Address(bytes([2] * 20)),
    ResultDigest(bytes([3] * 32)),
    bytes([4] * 32),
    5,
    (ArchiveFile("a", 7), ArchiveFile("b/é", 0)),
    8,
    9,
)


def kept(vault: DiskVault, archive: Archive = ARCHIVE, content: bytes = b"12345") -> Archive:
    with vault.incoming() as path:
        Path(path).write_bytes(content)
        vault.keep(archive, path)
    return archive


def names(folder: Path) -> list[str]:
    return sorted(p.suffix or p.name for p in folder.rglob("*") if p.is_file())


def test_what_is_kept_is_found_again_by_another_process(tmp_path):
    kept(DiskVault(tmp_path))
    again = DiskVault(tmp_path)
    assert again.of_task(ARCHIVE.task_id) == (ARCHIVE,)
    assert tuple(again.tasks()) == (ARCHIVE.task_id,)
    assert Path(again.path(ARCHIVE)).read_bytes() == b"12345"


def test_archives_of_one_task_come_oldest_first_and_are_removed_one_by_one(tmp_path):
    vault = DiskVault(tmp_path)
    new = kept(vault, replace(ARCHIVE, worker=Address(bytes(20)), stored_at=10))
    old = kept(vault)
    assert vault.of_task(ARCHIVE.task_id) == (old, new)
    vault.remove(old)
    vault.remove(old)
    assert vault.of_task(ARCHIVE.task_id) == (new,)
    vault.remove(new)
    assert tuple(vault.tasks()) == ()


def test_an_upload_that_breaks_off_leaves_nothing(tmp_path):
    def break_off(vault: DiskVault) -> None:
        with vault.incoming() as path:
            Path(path).write_bytes(b"half")
            raise EOFError

    with pytest.raises(EOFError):
        break_off(DiskVault(tmp_path))
    assert names(tmp_path) == []


def test_a_crash_between_archive_and_record_leaves_nothing_after_the_next_start(tmp_path):
    vault = DiskVault(tmp_path)
    kept(vault)
    record = next(tmp_path.rglob("*.json"))
    record.rename(record.with_suffix(".draft"))
    (tmp_path / "incoming" / "half").write_bytes(b"x")
    assert vault.of_task(ARCHIVE.task_id) == ()
    DiskVault(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"t":"Archive"}', b"\xff"])
def test_a_damaged_record_is_passed_over_and_can_be_written_again(tmp_path, damage):
    vault = DiskVault(tmp_path)
    kept(vault)
    next(tmp_path.rglob("*.json")).write_bytes(damage)
    assert vault.of_task(ARCHIVE.task_id) == ()
    kept(vault)
    assert vault.of_task(ARCHIVE.task_id) == (ARCHIVE,)


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "0xnothing").mkdir()
    (tmp_path / "0xnothing" / "a.json").write_text("{}")
    assert tuple(DiskVault(tmp_path).tasks()) == ()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VaultDown, match="results folder"):
        DiskVault(tmp_path / "file" / "vault")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_disk_that_fills_up_during_an_upload_is_named(tmp_path):
    def fill(vault: DiskVault) -> None:
        with vault.incoming() as path:
            Path(path).unlink()
            Path(path).symlink_to("/dev/full")
            Path(path).write_bytes(b"x")

    with pytest.raises(VaultFull, match="free disk space"):
        fill(DiskVault(tmp_path))
    assert names(tmp_path) == []
