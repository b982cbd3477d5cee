"""What the results service writes down of each archive, and where archives wait on their way in.

``<folder>/<task id>/<worker>-<digest>.json`` is the record of an archive that is kept, wherever its
bytes lie; ``….sending`` is one whose bytes are on their way to a storage elsewhere. A draft, the
archive as it comes in, lies in ``<folder>/incoming`` until it is kept or dropped.
"""

from __future__ import annotations

import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias

import structlog

from poolhand.domain.errors import Malformed, Refused
from poolhand.domain.ids import TaskId
from poolhand.domain.json_text import parse_json
from poolhand.observe.private import create_private, narrow, private_folder
from poolhand.ports.storage import Archive, StorageDown, StorageFull
from poolhand.store.errors import NO_ROOM
from poolhand.wire.journal_json import EventCodec

SENDING: Final = ".sending"
"""Ends the name of what was to be sent, until it is kept."""
_CODEC: Final = EventCodec[Archive]((Archive,))
_log = structlog.get_logger()

KeepArchive: TypeAlias = Callable[[Archive, Path], Awaitable[Archive]]


class ResultRecords:
    """Records in a folder, made when missing, readable by its owner alone.

    Raises:
        StorageDown: It cannot be made or written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"
        with self.disk():
            private_folder(folder)
            private_folder(self._incoming)
            for leftover in self._incoming.iterdir():
                leftover.unlink()
            for path in folder.glob("0x*/*"):
                narrow(path)

    @contextmanager
    def disk(self) -> Iterator[None]:
        """Name the refusals of this folder's disk."""
        try:
            yield
        except OSError as fault:
            if fault.errno in NO_ROOM:
                raise StorageFull(
                    f"no room left in the results folder {self.folder}: its operator must free "
                    "disk space"
                ) from fault
            raise StorageDown(
                f"the results folder {self.folder} failed ({fault}): check the disk"
            ) from fault

    @asynccontextmanager
    async def receiving(self, keep: KeepArchive) -> AsyncIterator[SpooledDraft]:
        """Lend a draft that ``keep`` takes over; what was not kept is dropped in the end."""
        draft = await asyncio.to_thread(self._draft, keep)
        try:
            yield draft
        finally:
            await asyncio.to_thread(draft.drop)

    def _draft(self, keep: KeepArchive) -> SpooledDraft:
        with self.disk():
            handle, name = tempfile.mkstemp(dir=self._incoming)
            return SpooledDraft(self, Path(name), os.fdopen(handle, "wb"), keep)

    async def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""
        return await asyncio.to_thread(self._of_task, task_id)

    def _of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        with self.disk():
            records = list((self.folder / str(task_id)).glob("*.json"))
            found = [each for path in records if (each := read_record(path)) is not None]
        return tuple(sorted(found, key=lambda each: (each.stored_at, each.worker, each.digest)))

    async def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""
        return await asyncio.to_thread(self._tasks)

    def _tasks(self) -> tuple[TaskId, ...]:
        with self.disk():
            names = [path.name for path in self.folder.glob("0x*") if any(path.glob("*.json"))]
        found = []
        for name in sorted(names):
            with suppress(Refused):
                found.append(TaskId.parse(name))
        return tuple(found)

    def place(self, archive: Archive) -> Path:
        """Return where the record of an archive is, or would be."""
        name = f"0x{archive.worker.hex()}-{archive.digest}.json"
        return self.folder / str(archive.task_id) / name

    def write(self, archive: Archive, ending: str = ".json") -> Path:
        """Write a record for good, whole or not at all; it survives a power cut."""
        target, text = self.place(archive).with_suffix(ending), json.dumps(_CODEC.encode(archive))
        with self.disk():
            target.parent.mkdir(exist_ok=True, mode=0o700)
            draft = target.with_suffix(".draft")
            create_private(draft)
            draft.write_text(text, encoding="utf-8")
            sync(draft)
            draft.replace(target)
            sync(target.parent)
            sync(self.folder)
        return target

    def remove(self, archive: Archive, *endings: str) -> None:
        """Remove a record, then what lies beside it by these endings; repeatable."""
        target = self.place(archive)
        with self.disk():
            target.unlink(missing_ok=True)
            for ending in endings:
                target.with_suffix(ending).unlink(missing_ok=True)
            with suppress(OSError):
                target.parent.rmdir()


@dataclass(slots=True)
class SpooledDraft:
    """Implements ``ports.storage.Draft``: a file among those that are coming in."""

    _records: ResultRecords
    _path: Path
    _file: BinaryIO
    _take: KeepArchive

    async def write(self, piece: bytes) -> None:
        """Append."""
        with self._records.disk():
            await asyncio.to_thread(self._file.write, piece)

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open what was written, to be read at any place; reading may block."""
        with self._records.disk():
            self._file.flush()
            with self._path.open("rb") as file:
                yield file

    async def keep(self, archive: Archive) -> Archive:
        """Keep it for good, and return the archive with its location."""
        with self._records.disk():
            await asyncio.to_thread(self._file.close)
        return await self._take(archive, self._path)

    def drop(self) -> None:
        """Forget what was not kept."""
        with suppress(OSError):  # what did not reach a full disk is not wanted any more
            self._file.close()
        self._path.unlink(missing_ok=True)


def read_record(path: Path) -> Archive | None:
    """Read a record; a damaged one is passed over, for the archive can be uploaded again."""
    try:
        return decoded_record(path.read_bytes())
    except FileNotFoundError:
        return None
    except Malformed as fault:
        _log.warning("result_record_damaged", path=str(path), cause=str(fault))
        return None


def decoded_record(raw: bytes) -> Archive:
    """Read the text of a record; raises Malformed where it is none."""
    try:
        return _CODEC.decode(parse_json(raw))
    except (ValueError, AttributeError) as fault:
        raise Malformed(f"a record of a result does not read: {fault}") from fault


def sync(path: Path) -> None:
    """Bring a file or a folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
