"""Results at another place: whole or absent through crashes, and found again by a new machine."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from test_storage_suite import ARCHIVE, LOCATION_OF, PLACED, kept, opened, read

from poolhand.domain.errors import Refused
from poolhand.ports.storage import StorageDown, StorageUnfit
from poolhand.store.memory_objects import MemoryObjects
from poolhand.store.results_disk import DiskResults
from poolhand.store.results_elsewhere import ResultsElsewhere, check_mark

OTHER = replace(ARCHIVE, sha256=hashlib.sha256(b"new").digest(), size=3)


class Crash(BaseException):
    """The process is gone."""


class Crashing(MemoryObjects):
    """Counts effects out there; the process ends before or after one of them."""

    def __init__(self, at: int, *, after: bool) -> None:
        super().__init__()
        self.left, self.after = at, after

    async def _effect(self, made):
        self.left -= 1
        if self.left == 0 and not self.after:
            made.close()
            raise Crash
        found = await made
        if self.left == 0:
            raise Crash
        return found

    async def put(self, name, path):
        return await self._effect(super().put(name, path))

    async def remove(self, name):
        await self._effect(super().remove(name))


def survived(objects: MemoryObjects) -> MemoryObjects:
    again = MemoryObjects()
    again.files = objects.files
    return again


async def crashed(folder: Path, objects: Crashing, work) -> bool:
    """Do something with the storage; tell whether the process ended in it."""
    storage = ResultsElsewhere(folder, objects, "memory", LOCATION_OF)
    try:
        await work(storage)
    except (Crash, RuntimeError):  # a generator turns what is no error into a RuntimeError
        return True
    return False


async def agree(folder: Path, objects: MemoryObjects) -> tuple:
    """Open it anew: what the folder has records of lies out there, and nothing else does."""
    storage = await opened(folder, survived(objects))
    found = await storage.of_task(ARCHIVE.task_id)
    for each in found:
        assert hashlib.sha256(await read(storage, each)).digest() == each.sha256
    assert len(objects.files) == 2 * len(found)
    assert not list(folder.rglob("*.sending"))  # noqa: ASYNC240 - a folder of a test
    return found


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 4))
async def test_a_crash_at_any_effect_of_keeping_leaves_all_of_it_or_nothing(tmp_path, at, after):
    objects = Crashing(at, after=after)
    ended = await crashed(tmp_path, objects, kept)
    assert ended is (at < 3)
    assert len(await agree(tmp_path, objects)) == (0 if ended else 1)
    assert await kept(await opened(tmp_path, survived(objects))) == PLACED


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 6))
async def test_a_crash_while_one_replaces_another_leaves_one_of_them(tmp_path, at, after):
    objects = Crashing(0, after=after)
    await kept(ResultsElsewhere(tmp_path, objects, "memory", LOCATION_OF))
    objects.left = at
    ended = await crashed(tmp_path, objects, lambda storage: kept(storage, OTHER, b"new"))
    (found,) = await agree(tmp_path, objects)
    assert found.sha256 == (ARCHIVE if ended and at < 3 else OTHER).sha256


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", [1, 2])
async def test_a_crash_while_one_is_removed_is_made_good_by_removing_it_again(tmp_path, at, after):
    objects = Crashing(0, after=after)
    await kept(ResultsElsewhere(tmp_path, objects, "memory", LOCATION_OF))
    objects.left = at
    assert await crashed(tmp_path, objects, lambda storage: storage.remove(PLACED))
    storage = await opened(tmp_path, survived(objects))
    assert await storage.of_task(ARCHIVE.task_id) == (PLACED,)
    await storage.remove(PLACED)
    assert await agree(tmp_path, objects) == ()


async def test_what_was_kept_when_the_process_ended_is_not_undone(tmp_path):
    objects = MemoryObjects()
    await kept(await opened(tmp_path, objects))
    (record,) = tmp_path.glob("0x*/*.json")
    shutil.copy(record, record.with_suffix(".sending"))
    assert await agree(tmp_path, objects) == (PLACED,)


async def test_a_new_machine_finds_the_records_out_there(tmp_path):
    objects = MemoryObjects()
    await kept(await opened(tmp_path / "old", objects))
    objects.files["0x00/damaged.json"] = b"{"
    storage = await opened(tmp_path / "new", objects)
    assert await storage.of_task(ARCHIVE.task_id) == (PLACED,)
    assert await read(storage) == b"0123456789"


class Breaking(MemoryObjects):
    """Answers no longer after so many reads."""

    reads = 1

    async def read(self, *args):
        if self.reads == 0:
            raise StorageDown("gone")
        self.reads -= 1
        async for piece in super().read(*args):
            yield piece


async def test_a_filling_that_breaks_off_goes_on_at_the_next_start(tmp_path):
    objects = Breaking()
    old = await opened(tmp_path / "old", objects)
    tasks = [replace(ARCHIVE, task_id=type(ARCHIVE.task_id)(bytes([n] * 32))) for n in range(3)]
    for each in tasks:
        await kept(old, each)
    with pytest.raises(StorageDown):
        await opened(tmp_path / "new", objects)
    storage = await opened(tmp_path / "new", survived(objects))
    assert set(await storage.tasks()) == {each.task_id for each in tasks}


@pytest.mark.parametrize("ends_early", [False, True])
async def test_what_replaces_an_archive_of_the_disk_is_given_out_in_its_place(tmp_path, ends_early):
    await kept(DiskResults(tmp_path, LOCATION_OF))
    objects = MemoryObjects()
    storage = await opened(tmp_path, objects)
    (of_disk,) = tmp_path.glob("0x*/*.zip")
    old = of_disk.read_bytes()
    placed = await kept(storage, OTHER, b"new")
    if ends_early:  # killed after the record was written
        shutil.copy(of_disk.with_suffix(".json"), of_disk.with_suffix(".sending"))
        of_disk.write_bytes(old)
        storage = await opened(tmp_path, survived(objects))
    assert await read(storage, placed) == b"new"
    await storage.remove(placed)
    assert not objects.files


async def test_a_storage_that_cannot_be_used_leaves_no_mark(tmp_path):
    class Unfit(MemoryObjects):
        async def check(self):
            raise StorageUnfit("there is no such bucket")

    with pytest.raises(StorageUnfit, match="no such bucket"):
        await opened(tmp_path, Unfit(), "s3://typo/")
    await opened(tmp_path, MemoryObjects(), "s3://right/")


async def test_what_the_disk_has_kept_before_is_given_out_and_removed_as_ever(tmp_path):
    await kept(DiskResults(tmp_path, LOCATION_OF))
    objects = MemoryObjects()
    storage = await opened(tmp_path, objects)
    new = await kept(storage, replace(OTHER, worker=type(ARCHIVE.worker)(bytes(20))), b"new")
    assert await read(storage) == b"0123456789"
    assert await read(storage, new) == b"new"
    await storage.remove(PLACED)
    assert await storage.of_task(ARCHIVE.task_id) == (new,)
    assert not list(tmp_path.rglob("*.zip"))
    assert len(objects.files) == 2


async def test_a_folder_belongs_to_one_storage(tmp_path):
    await opened(tmp_path, MemoryObjects(), "s3://one/")
    for name in ("s3://two/", "disk"):
        with pytest.raises(StorageUnfit, match=r"lie at s3://one/.*--folder"):
            check_mark(tmp_path, name)
    with pytest.raises(Refused):
        await opened(tmp_path, MemoryObjects(), "s3://two/")
    check_mark(tmp_path, "s3://one/")


async def test_an_archive_that_is_shorter_out_there_is_no_answer(tmp_path):
    objects = MemoryObjects()
    storage = await opened(tmp_path, objects)
    placed = await kept(storage)
    (name,) = [each for each in objects.files if each.endswith(".zip")]
    objects.files[name] = b"0123"
    with pytest.raises(StorageDown, match="shorter than its record"):
        await read(storage, placed)
