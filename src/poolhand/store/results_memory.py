"""Result archives in memory: for tests and simulations; they are gone with the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO

from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.ports.storage import Archive

_Key = tuple[Address, ResultDigest]


class MemoryResultStorage:
    """Implements ``ports.storage.ResultStorage``.

    Args:
        location_of: Tells where requesters find the result of a task that lies here.
    """

    def __init__(self, location_of: Callable[[TaskId], str]) -> None:
        self._location_of = location_of
        self._kept: dict[TaskId, dict[_Key, tuple[Archive, bytes]]] = {}

    @asynccontextmanager
    async def receiving(self) -> AsyncIterator[MemoryDraft]:
        """Lend a draft for an upload under way; what was not kept is dropped in the end."""
        yield MemoryDraft(self)

    async def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""
        found = [archive for archive, _ in self._kept.get(task_id, {}).values()]
        return tuple(sorted(found, key=lambda each: (each.stored_at, each.worker, each.digest)))

    async def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""
        return tuple(sorted(self._kept))

    async def at(self, location: str) -> tuple[Archive, ...]:  # noqa: ARG002 - of other storages
        """Return nothing: what lies here has no address of its own."""
        return ()

    async def stream(
        self, archive: Archive, first: int = 0, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of an archive from ``first`` on, ``count`` of them or all."""
        _, content = self._kept[archive.task_id][archive.worker, archive.digest]
        end = len(content) if count is None else first + count
        yield content[first:end]

    async def remove(self, archive: Archive) -> None:
        """Delete an archive; repeatable."""
        kept = self._kept.get(archive.task_id, {})
        kept.pop((archive.worker, archive.digest), None)
        if not kept:
            self._kept.pop(archive.task_id, None)

    def take(self, archive: Archive, content: bytes) -> Archive:
        """Keep an archive."""
        placed = replace(archive, location=self._location_of(archive.task_id))
        key = archive.worker, archive.digest
        self._kept.setdefault(archive.task_id, {})[key] = placed, content
        return placed


@dataclass(slots=True)
class MemoryDraft:
    """Implements ``ports.storage.Draft``."""

    _storage: MemoryResultStorage
    _written: bytearray = field(default_factory=bytearray)

    async def write(self, piece: bytes) -> None:
        """Append."""
        self._written += piece

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open what was written, to be read at any place."""
        yield BytesIO(bytes(self._written))

    async def keep(self, archive: Archive) -> Archive:
        """Keep it, and return the archive with its location."""
        return self._storage.take(archive, bytes(self._written))
