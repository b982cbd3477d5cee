"""Result archives in a folder of the local disk.

``<folder>/<task id>/<worker>-<digest>.zip`` with a record ``….json`` beside it. The record is
written last, so an archive without one is the mark of a crash and is removed at the next start.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, Final

import structlog

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.ids import TaskId
from poolhand.observe.private import create_private, narrow, private_folder
from poolhand.ports.storage import Archive
from poolhand.store.errors import NO_ROOM, StorageDown, StorageFull
from poolhand.wire.journal_json import EventCodec

BYTES_READ_AT_ONCE: Final = 256 * 1024
"""Bytes read at a time."""
_CODEC: Final = EventCodec[Archive]((Archive,))
_log = structlog.get_logger()


class DiskResults:
    """Implements ``ports.storage.ResultStorage``.

    Args:
        folder: Made when missing, readable by its owner alone; what crashes left is removed.
        location_of: Tells where requesters find the result of a task that lies here.

    Raises:
        StorageDown: It cannot be made or written.
    """

    def __init__(self, folder: Path, location_of: Callable[[TaskId], str]) -> None:
        self._folder, self._location_of = folder, location_of
        self._incoming = folder / "incoming"
        with _disk(folder):
            private_folder(folder)
            private_folder(self._incoming)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            for path in folder.glob("0x*/*"):
                narrow(path)
                if path.suffix != ".json" and not path.with_suffix(".json").exists():
                    path.unlink()

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[DiskDraft]:
        """Lend a draft for an upload under way; what was not kept is dropped in the end."""
        draft = await asyncio.to_thread(self._draft)
        try:
            yield draft
        finally:
            await asyncio.to_thread(draft.drop)

    def _draft(self) -> DiskDraft:
        with _disk(self._folder):
            handle, name = tempfile.mkstemp(dir=self._incoming)
            return DiskDraft(self, Path(name), os.fdopen(handle, "wb"))

    async def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""
        return await asyncio.to_thread(self._of_task, task_id)

    def _of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        with _disk(self._folder):
            records = list((self._folder / str(task_id)).glob("*.json"))
            found = [self.placed(each) for path in records if (each := _read(path)) is not None]
        return tuple(sorted(found, key=lambda each: (each.stored_at, each.worker, each.digest)))

    async def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""
        return await asyncio.to_thread(self._tasks)

    def _tasks(self) -> tuple[TaskId, ...]:
        with _disk(self._folder):
            names = [path.name for path in self._folder.glob("0x*") if any(path.glob("*.json"))]
        found = []
        for name in sorted(names):
            with suppress(Refused):
                found.append(TaskId.parse(name))
        return tuple(found)

    async def stream(
        self, archive: Archive, first: int = 0, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of an archive from ``first`` on, ``count`` of them or all."""
        left = archive.size - first if count is None else count
        with _disk(self._folder):
            file = await asyncio.to_thread(self._zip(archive).open, "rb")
        with file:
            with _disk(self._folder):
                await asyncio.to_thread(file.seek, first)
            while left > 0:
                with _disk(self._folder):
                    piece = await asyncio.to_thread(file.read, min(left, BYTES_READ_AT_ONCE))
                if not piece:
                    raise StorageDown(f"archive {archive.task_id} is shorter than its record says")
                left -= len(piece)
                yield piece

    async def remove(self, archive: Archive) -> None:
        """Delete an archive, its record first; repeatable."""
        await asyncio.to_thread(self._remove, archive)

    def _remove(self, archive: Archive) -> None:
        target = self._zip(archive)
        with _disk(self._folder):
            target.with_suffix(".json").unlink(missing_ok=True)
            target.unlink(missing_ok=True)
            with suppress(OSError):
                target.parent.rmdir()

    def placed(self, archive: Archive) -> Archive:
        """Return an archive with its location; one that an older version kept has none yet."""
        if archive.location:
            return archive
        return replace(archive, location=self._location_of(archive.task_id))

    def take(self, archive: Archive, source: Path) -> None:
        """Move a draft's file to its place for good, its record last."""
        target, record = self._zip(archive), json.dumps(_CODEC.encode(archive))
        with _disk(self._folder):
            target.parent.mkdir(exist_ok=True, mode=0o700)
            _sync(source)
            source.replace(target)
            draft = target.with_suffix(".draft")
            create_private(draft)
            draft.write_text(record, encoding="utf-8")
            _sync(draft)
            draft.replace(target.with_suffix(".json"))
            _sync(target.parent)
            _sync(self._folder)

    def disk(self) -> AbstractContextManager[None]:
        """Name the refusals of this storage's disk."""
        return _disk(self._folder)

    def _zip(self, archive: Archive) -> Path:
        name = f"0x{archive.worker.hex()}-{archive.digest}.zip"
        return self._folder / str(archive.task_id) / name


@dataclass(slots=True)
class DiskDraft:
    """Implements ``ports.storage.Draft``: a file among those that are coming in."""

    _storage: DiskResults
    _path: Path
    _file: BinaryIO

    async def write(self, piece: bytes) -> None:
        """Append."""
        with self._storage.disk():
            await asyncio.to_thread(self._file.write, piece)

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open what was written, to be read at any place; reading may block."""
        with self._storage.disk():
            self._file.flush()
            with self._path.open("rb") as file:
                yield file

    async def keep(self, archive: Archive) -> Archive:
        """Keep it for good, and return the archive with its location."""
        placed = self._storage.placed(archive)
        await asyncio.to_thread(self._keep, placed)
        return placed

    def _keep(self, archive: Archive) -> None:
        with self._storage.disk():
            self._file.close()
        self._storage.take(archive, self._path)

    def drop(self) -> None:
        """Forget what was not kept."""
        with suppress(OSError):  # what did not reach a full disk is not wanted any more
            self._file.close()
        self._path.unlink(missing_ok=True)


def _read(path: Path) -> Archive | None:
    """Read a record; a damaged one is passed over, for the archive can be uploaded again."""
    try:
        return _CODEC.decode(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, AttributeError, Malformed) as fault:
        _log.warning("result_record_damaged", path=str(path), cause=str(fault))
        return None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    """Name the disk's refusals."""
    try:
        yield
    except OSError as fault:
        if fault.errno in NO_ROOM:
            raise StorageFull(
                f"no room left in the results folder {folder}: its operator must free disk space"
            ) from fault
        raise StorageDown(
            f"the results folder {folder} failed ({fault}): check the disk"
        ) from fault
