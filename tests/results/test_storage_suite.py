"""The promises of ``ports.storage``, kept by every storage alike, each against the real thing."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import replace
from functools import partial

import pytest
from s3_results import s3_objects

from ipfs_memory import RPC, MemoryNode
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.result_link import location_at
from poolhand.ports.storage import Archive, ArchiveFile
from poolhand.store.kubo_objects import KuboObjects
from poolhand.store.memory_objects import MemoryObjects
from poolhand.store.results_disk import DiskResults
from poolhand.store.results_elsewhere import ResultsElsewhere
from poolhand.store.results_memory import MemoryResultStorage

CONTENT = b"0123456789"
ARCHIVE = Archive(
    TaskId(bytes([1] * 32)),
    Address(bytes([2] * 20)),
    ResultDigest(bytes([3] * 32)),
    hashlib.sha256(CONTENT).digest(),
    len(CONTENT),
    (ArchiveFile("a", 7), ArchiveFile("b/é", 0)),
    8,
    9,
)
LOCATION_OF = partial(location_at, "https://results.example/")
PLACED = replace(ARCHIVE, location=f"https://results.example/v1/results/{ARCHIVE.task_id}")
NUMBERS = itertools.count()
STORAGES = ("disk", "memory", "elsewhere", "s3", "ipfs-memory")


@pytest.fixture(params=STORAGES)
async def storage(request, tmp_path):
    if request.param == "disk":
        return DiskResults(tmp_path, LOCATION_OF)
    if request.param == "memory":
        return MemoryResultStorage(LOCATION_OF)
    if request.param == "elsewhere":
        return await opened(tmp_path, MemoryObjects())
    if request.param == "ipfs-memory":
        return await opened(tmp_path, KuboObjects(MemoryNode().client(), RPC))
    server = request.getfixturevalue("s3")
    return await opened(tmp_path, s3_objects(server, prefix=f"suite/{next(NUMBERS)}"))


async def opened(folder, objects, name="memory"):
    storage = ResultsElsewhere(folder, objects, name, LOCATION_OF)
    await storage.open()
    return storage


async def kept(storage, archive=ARCHIVE, content=CONTENT):
    async with storage.receiving() as draft:
        for start in range(0, len(content), 3):
            await draft.write(content[start : start + 3])
        return await draft.keep(archive)


async def read(storage, archive=PLACED, *part):
    return b"".join([piece async for piece in storage.stream(archive, *part)])


async def test_what_is_kept_says_where_it_lies_and_comes_out_as_it_went_in(storage):
    placed = await kept(storage)
    assert placed == replace(ARCHIVE, location=placed.location)
    assert placed.location.startswith(("https://", "/ipfs/"))
    assert await storage.of_task(ARCHIVE.task_id) == (placed,)
    assert await storage.tasks() == (ARCHIVE.task_id,)
    assert await read(storage, placed) == CONTENT


@pytest.mark.parametrize("part", [(0, 1), (2, 4), (9, 1), (3, None), (0, 10)])
async def test_a_part_is_streamed(storage, part):
    placed = await kept(storage)
    first, count = part
    asked = CONTENT[first : None if count is None else first + count]
    assert await read(storage, placed, *part) == asked


async def test_a_draft_is_read_at_any_place_before_it_is_kept(storage):
    async with storage.receiving() as draft:
        await draft.write(b"head")
        await draft.write(b"tail")
        with draft.reading() as file:
            assert (file.seek(-4, 2), file.read()) == (4, b"tail")
            assert (file.seek(0), file.read(4)) == (0, b"head")
        placed = await draft.keep(ARCHIVE)
    assert await storage.of_task(ARCHIVE.task_id) == (placed,)


async def test_what_is_not_kept_is_dropped(storage):
    async def break_off():
        async with storage.receiving() as draft:
            await draft.write(b"half")
            raise EOFError

    with pytest.raises(EOFError):
        await break_off()
    assert await storage.tasks() == ()


async def test_archives_of_one_task_come_oldest_first_and_are_removed_one_by_one(storage):
    new = await kept(storage, replace(ARCHIVE, worker=Address(bytes(20)), stored_at=10))
    old = await kept(storage)
    assert await storage.of_task(ARCHIVE.task_id) == (old, new)
    await storage.remove(old)
    await storage.remove(old)
    assert await storage.of_task(ARCHIVE.task_id) == (new,)
    await storage.remove(new)
    assert await storage.tasks() == ()


async def test_the_same_again_replaces_what_was_there(storage):
    await kept(storage)
    again = replace(ARCHIVE, sha256=hashlib.sha256(b"new").digest(), stored_at=11, size=3)
    await kept(storage, again, b"new")
    assert [each.stored_at for each in await storage.of_task(ARCHIVE.task_id)] == [11]
    (placed,) = await storage.of_task(ARCHIVE.task_id)
    assert await read(storage, placed) == b"new"


async def test_tasks_are_told_apart(storage):
    other = TaskId(bytes([9] * 32))
    await kept(storage)
    await kept(storage, replace(ARCHIVE, task_id=other))
    assert set(await storage.tasks()) == {ARCHIVE.task_id, other}
    (found,) = await storage.of_task(other)
    assert found.task_id == other
    assert await read(storage, found) == CONTENT
    assert await storage.of_task(TaskId(bytes(32))) == ()
