"""Result archives in a folder of the local disk.

``<folder>/<task id>/<worker>-<digest>.zip`` with a record ``….json`` beside it. The record is
written last, so an archive without one is the mark of a crash and is removed at the next start.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Final

from poolhand.domain.ids import TaskId
from poolhand.ports.storage import Archive, StorageDown
from poolhand.store.result_records import ResultRecords, SpooledDraft, sync

BYTES_READ_AT_ONCE: Final = 256 * 1024
"""Bytes read at a time."""


class DiskResults:
    """Implements ``ports.storage.ResultStorage``.

    Args:
        folder: Made when missing, readable by its owner alone; what crashes left is removed.
        location_of: Tells where requesters find the result of a task that lies here.
        keeps: Endings of files without a record that are no mark of a crash.

    Raises:
        StorageDown: It cannot be made or written.
    """

    def __init__(
        self,
        folder: Path,
        location_of: Callable[[TaskId], str],
        keeps: tuple[str, ...] = (),
    ) -> None:
        self._records, self._location_of = ResultRecords(folder), location_of
        with self._records.disk():
            for path in folder.glob("0x*/*"):
                known = path.suffix in (".json", *keeps) or path.with_suffix(".json").exists()
                if not known:
                    path.unlink()

    def receiving(self) -> AbstractAsyncContextManager[SpooledDraft]:
        """Lend a draft for an upload under way; what was not kept is dropped in the end."""
        return self._records.receiving(self._keep)

    async def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""
        return tuple(map(self._placed, await self._records.of_task(task_id)))

    async def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""
        return await self._records.tasks()

    async def at(self, location: str) -> tuple[Archive, ...]:  # noqa: ARG002 - of other storages
        """Return nothing: what lies here has no address of its own."""
        return ()

    async def stream(
        self, archive: Archive, first: int = 0, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of an archive from ``first`` on, ``count`` of them or all."""
        left = archive.size - first if count is None else count
        disk = self._records.disk
        with disk():
            file = await asyncio.to_thread(self.zip(archive).open, "rb")
        with file:
            with disk():
                await asyncio.to_thread(file.seek, first)
            while left > 0:
                with disk():
                    piece = await asyncio.to_thread(file.read, min(left, BYTES_READ_AT_ONCE))
                if not piece:
                    raise StorageDown(f"archive {archive.task_id} is shorter than its record says")
                left -= len(piece)
                yield piece

    async def remove(self, archive: Archive) -> None:
        """Delete an archive, its record first; repeatable."""
        await asyncio.to_thread(self._records.remove, archive, ".zip")

    def zip(self, archive: Archive) -> Path:
        """Return where an archive lies, if it is here."""
        return self._records.place(archive).with_suffix(".zip")

    def _placed(self, archive: Archive) -> Archive:
        """Return an archive with its location; one that an older version kept has none yet."""
        if archive.location:
            return archive
        return replace(archive, location=self._location_of(archive.task_id))

    async def _keep(self, archive: Archive, source: Path) -> Archive:
        placed = self._placed(archive)
        await asyncio.to_thread(self._take, placed, source)
        return placed

    def _take(self, archive: Archive, source: Path) -> None:
        """Move a draft's file to its place for good, its record last."""
        target = self.zip(archive)
        with self._records.disk():
            target.parent.mkdir(exist_ok=True, mode=0o700)
            sync(source)
            source.replace(target)
        self._records.write(archive)
