"""Results on disk: whole or absent, through crashes and damage."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from test_storage_suite import ARCHIVE, CONTENT, LOCATION_OF, PLACED, kept, read

from poolhand.ports.storage import StorageDown, StorageFull
from poolhand.store.results_disk import DiskResults


def opened(folder: Path) -> DiskResults:
    return DiskResults(folder, LOCATION_OF)


def names(folder: Path) -> list[str]:
    return sorted(p.suffix or p.name for p in folder.rglob("*") if p.is_file())


async def test_what_is_kept_is_found_again_by_another_process(tmp_path):
    await kept(opened(tmp_path))
    again = opened(tmp_path)
    assert await again.of_task(ARCHIVE.task_id) == (PLACED,)
    assert await again.tasks() == (ARCHIVE.task_id,)
    assert await read(again) == CONTENT


async def test_an_archive_keeps_the_location_that_went_on_chain_when_the_service_moves(tmp_path):
    await kept(opened(tmp_path))
    moved = DiskResults(tmp_path, lambda task_id: f"https://moved.example/{task_id}")
    assert await moved.of_task(ARCHIVE.task_id) == (PLACED,)
    assert (await kept(moved)).location == f"https://moved.example/{ARCHIVE.task_id}"


async def test_a_record_of_an_older_version_which_tells_no_location_is_read(tmp_path):
    await kept(opened(tmp_path))
    record = next(tmp_path.rglob("*.json"))
    told = json.loads(record.read_text())
    del told["location"]
    record.write_text(json.dumps(told))
    assert await opened(tmp_path).of_task(ARCHIVE.task_id) == (PLACED,)


async def test_an_upload_that_breaks_off_leaves_nothing(tmp_path):
    async def break_off(storage: DiskResults) -> None:
        async with storage.receiving() as draft:
            await draft.write(b"half")
            raise EOFError

    with pytest.raises(EOFError):
        await break_off(opened(tmp_path))
    assert names(tmp_path) == []


async def test_a_crash_between_archive_and_record_leaves_nothing_after_the_next_start(tmp_path):
    storage = opened(tmp_path)
    await kept(storage)
    record = next(tmp_path.rglob("*.json"))
    record.rename(record.with_suffix(".draft"))
    (tmp_path / "incoming" / "half").write_bytes(b"x")
    assert await storage.of_task(ARCHIVE.task_id) == ()
    opened(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"null", b'{"t":"Archive"}', b"\xff"])
async def test_a_damaged_record_is_passed_over_and_can_be_written_again(tmp_path, damage):
    storage = opened(tmp_path)
    await kept(storage)
    next(tmp_path.rglob("*.json")).write_bytes(damage)
    assert await storage.of_task(ARCHIVE.task_id) == ()
    await kept(storage)
    assert await storage.of_task(ARCHIVE.task_id) == (PLACED,)


async def test_a_file_that_is_shorter_than_its_record_says_is_no_answer(tmp_path):
    storage = opened(tmp_path)
    await kept(storage, replace(ARCHIVE, size=11))
    with pytest.raises(StorageDown, match="shorter than its record"):
        [piece async for piece in storage.stream(replace(PLACED, size=11))]


async def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "0xnothing").mkdir()
    (tmp_path / "0xnothing" / "a.json").write_text("{}")
    assert await opened(tmp_path).tasks() == ()


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageDown, match="results folder"):
        opened(tmp_path / "file" / "results")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
async def test_a_disk_that_fills_up_during_an_upload_is_named(tmp_path):
    async def fill(storage: DiskResults) -> None:
        async with storage.receiving() as draft:
            draft._file.close()
            draft._file = open("/dev/full", "wb", buffering=0)  # noqa: ASYNC230, PTH123, SIM115
            await draft.write(b"x")

    with pytest.raises(StorageFull, match="free disk space"):
        await fill(opened(tmp_path))
    assert names(tmp_path) == []
