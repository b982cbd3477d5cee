"""Result archives at an object store or an IPFS node, their records in a folder of the local disk.

An archive goes there under ``<task id>/<worker>-<digest>-<sha256>.zip``, then its record beside it
as ``….json``, then the same record into the folder: only from then on it is kept. So a crash before
leaves a ``….sending`` in the folder, and what it names is removed at the next start. Where the
folder is lost, it is filled from the records out there.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import replace
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.errors import Malformed
from poolhand.domain.ids import TaskId
from poolhand.observe.private import create_private, private_folder, write_private
from poolhand.ports.storage import Archive, ObjectStore, StorageDown, StorageFull, StorageUnfit
from poolhand.store.result_records import (
    SENDING,
    ResultRecords,
    SpooledDraft,
    decoded_record,
    read_record,
)
from poolhand.store.results_disk import DiskResults

MARK: Final = "storage"
"""Names the storage whose archives a folder has records of."""
FILLING: Final = "filling"
"""Lies in a folder until all records that lie elsewhere are in it."""
ADDRESSES: Final = "addresses"
"""Folder that tells which records have an address: a folder each, a file for each record in it."""
MOST_SHARING: Final = 100
"""Records of one address that are looked at: the same archive came from so many tasks."""
MOST_RECORD: Final = 32 * 1024**2
"""Bytes of a record that are read from elsewhere."""
_log = structlog.get_logger()


class ResultsElsewhere:
    """Implements ``ports.storage.ResultStorage``; ``open`` comes before anything else.

    What an earlier disk storage of the same folder has kept stays there and is given out as ever.

    Args:
        folder: Of records, and of archives on their way in.
        objects: Where archives go.
        name: Of that place, as settings give it: a folder belongs to one.
        location_of: Tells where requesters find the result of a task that has no address there.

    Raises:
        StorageUnfit: The folder belongs to another place.
        StorageDown: The folder cannot be made or written.
    """

    def __init__(
        self, folder: Path, objects: ObjectStore, name: str, location_of: Callable[[TaskId], str]
    ) -> None:
        check_mark(folder, name)
        self._records, self._objects = ResultRecords(folder), objects
        self._name, self._location_of = name, location_of
        self._disk: DiskResults | None = None
        if any(folder.glob("0x*/*.zip")):
            self._disk = DiskResults(folder, location_of, keeps=(SENDING,))

    async def open(self) -> None:
        """Look whether the storage can be used, end what a crash left, and fill an empty folder.

        Raises:
            StorageUnfit: It cannot be used as the settings have it.
            StorageDown, StorageFull: It does not answer.
        """
        await self._objects.check()
        await asyncio.to_thread(self._write_note, MARK, f"{self._name}\n")
        for path in await asyncio.to_thread(lambda: list(self._folder.glob(f"0x*/*{SENDING}"))):
            await self._undo(path)
        filling = self._folder / FILLING
        if await asyncio.to_thread(filling.exists) or not await self._records.tasks():
            await asyncio.to_thread(self._write_note, FILLING, "")
            await self._fill()
            await asyncio.to_thread(filling.unlink, missing_ok=True)

    def _write_note(self, name: str, text: str) -> None:
        with self._records.disk():
            write_private(self._folder / name, text, lasting=True)

    @property
    def _folder(self) -> Path:
        return self._records.folder

    async def _undo(self, path: Path) -> None:
        """Remove what was sent and never kept."""
        sent = await asyncio.to_thread(read_record, path)
        if sent is not None:
            kept = await asyncio.to_thread(read_record, self._records.place(sent))
            if kept is None or kept.sha256 != sent.sha256:
                await self._discard(sent)
            else:
                await asyncio.to_thread(self._forget_disk, sent)
        await asyncio.to_thread(path.unlink, missing_ok=True)

    async def _discard(self, archive: Archive) -> None:
        await self._objects.remove(_name(archive, ".json"))
        await self._objects.remove(_name(archive, ".zip"))

    async def _fill(self) -> None:
        """Write the records that lie elsewhere into the folder."""
        found = 0
        async for name in self._objects.names():
            if name.endswith(".json"):
                found += await self._take_record(name)
        if found:
            _log.info("result_records_restored", number=found, storage=self._name)

    async def _take_record(self, name: str) -> bool:
        raw = bytearray()
        async for piece in self._objects.read(name, "", 0):
            raw += piece
            if len(raw) > MOST_RECORD:
                break
        try:
            archive = decoded_record(bytes(raw))
        except Malformed as fault:
            _log.warning("result_record_damaged", name=name, cause=str(fault))
            return False
        await asyncio.to_thread(self._write, archive)
        return True

    def receiving(self) -> AbstractAsyncContextManager[SpooledDraft]:
        """Lend a draft for an upload under way; what was not kept is dropped in the end."""
        return self._records.receiving(self._keep)

    async def _keep(self, archive: Archive, source: Path) -> Archive:
        """Send the archive, then its record; then it is kept."""
        before = await asyncio.to_thread(read_record, self._records.place(archive))
        was_here = self._is_here(archive)
        sending = await asyncio.to_thread(self._records.write, archive, SENDING)
        try:
            location = await self._objects.put(_name(archive, ".zip"), str(source))
            placed = replace(archive, location=location or self._location_of(archive.task_id))
            await asyncio.to_thread(self._records.write, placed, SENDING)
            await self._objects.put(_name(archive, ".json"), str(sending))
        except (StorageDown, StorageFull):
            _log.warning("result_not_sent", task_id=str(archive.task_id), storage=self._name)
            raise  # the next start, or the same archive again, settles what lies there
        await asyncio.to_thread(self._write, placed)
        await asyncio.to_thread(self._forget_disk, placed)
        if before is not None and before.sha256 != archive.sha256 and not was_here:
            await asyncio.to_thread(self._records.write, before, SENDING)
            await self._discard(before)
            await asyncio.to_thread(self._forget_address, before)
        await asyncio.to_thread(sending.unlink, missing_ok=True)
        return placed

    async def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""
        found = await self._records.of_task(task_id)
        own = self._location_of(task_id)
        return tuple(each if each.location else replace(each, location=own) for each in found)

    async def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""
        return await self._records.tasks()

    async def at(self, location: str) -> tuple[Archive, ...]:
        """Return the archives that lie at an address of the storage's own."""
        return await asyncio.to_thread(self._at, location)

    def _at(self, location: str) -> tuple[Archive, ...]:
        with self._records.disk():
            names = islice(self._address(location).glob("*"), MOST_SHARING)
            places = [self._folder / each.name.replace(".", "/", 1) for each in names]
        found = [each for path in places if (each := read_record(path)) is not None]
        return tuple(each for each in found if each.location == location)

    def _write(self, archive: Archive) -> None:
        """Write a record, and before it that its address has one."""
        if archive.location and archive.location != self._location_of(archive.task_id):
            with self._records.disk():
                private_folder(self._address(archive.location))
                create_private(self._named_at_address(archive))
        self._records.write(archive)

    def _forget_disk(self, archive: Archive) -> None:
        """Remove what the disk had of the same worker and digest: the new one lies elsewhere."""
        with self._records.disk():
            self._records.place(archive).with_suffix(".zip").unlink(missing_ok=True)

    def _forget_address(self, archive: Archive) -> None:
        named = self._named_at_address(archive)
        with self._records.disk(), suppress(FileNotFoundError):
            named.unlink()
            with suppress(OSError):
                named.parent.rmdir()

    def _named_at_address(self, archive: Archive) -> Path:
        place = self._records.place(archive)
        return self._address(archive.location) / f"{place.parent.name}.{place.name}"

    def _address(self, location: str) -> Path:
        return self._folder / ADDRESSES / sha256(location.encode()).hexdigest()

    async def stream(
        self, archive: Archive, first: int = 0, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of an archive from ``first`` on, ``count`` of them or all."""
        left = archive.size - first if count is None else count
        if self._disk is not None and self._is_here(archive):
            async for piece in self._disk.stream(archive, first, left):
                yield piece
            return
        async for piece in self._objects.read(
            _name(archive, ".zip"), archive.location, first, left
        ):
            left -= len(piece)
            yield piece
        if left:
            raise StorageDown(f"archive {archive.task_id} is shorter than its record says")

    async def remove(self, archive: Archive) -> None:
        """Delete an archive, its record here last: until then it is asked for again; repeatable."""
        if not self._is_here(archive):
            await self._discard(archive)
        await asyncio.to_thread(self._records.remove, archive, ".zip", SENDING)
        await asyncio.to_thread(self._forget_address, archive)

    def _is_here(self, archive: Archive) -> bool:
        """Whether an archive lies on the disk since before there was another storage."""
        return self._records.place(archive).with_suffix(".zip").exists()


def check_mark(folder: Path, name: str) -> None:
    """Check that a folder has no records of archives that lie at another place than ``name``.

    Raises:
        StorageUnfit: It has.
    """
    try:
        mark = (folder / MARK).read_text(encoding="utf-8").strip()
    except OSError:
        return
    if mark != name:
        raise StorageUnfit(
            f"the results in {folder} lie at {mark}, not at {name}: give --folder another folder, "
            f"or --storage {mark}"
        )


def _name(archive: Archive, ending: str) -> str:
    worker, sha256 = archive.worker.hex(), archive.sha256.hex()
    return f"{archive.task_id}/0x{worker}-{archive.digest}-{sha256[:16]}{ending}"
