"""Where the results service keeps archives: streams in, streams out, and each says where it lies.

A disk is one place; IPFS and object stores are others. So nothing here is a path, and only the
storage knows under which address a requester finds what it keeps: nobody builds one from parts.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.units import UnixSeconds


class StorageFull(Unavailable):
    """The storage has no room for the archive; nothing was kept."""

    http_status = 507


class StorageDown(Unavailable):
    """The storage refused to read or write."""


class StorageUnfit(Refused):
    """The storage cannot be used as its settings name it: its operator must change them."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file inside an archive: path and bytes expanded."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Archive:
    """One accepted archive: whose, for what, and what is in it.

    ``sha256`` is of the archive itself (32 bytes), ``size`` its bytes; ``stored_at`` is when it
    came, ``final_deadline`` when its task can no longer be finalized. ``location`` is where a
    requester finds it, as a result link names it; the storage says so once it keeps the archive.
    """

    task_id: TaskId
    worker: Address
    digest: ResultDigest
    sha256: bytes
    size: int
    files: tuple[ArchiveFile, ...]
    stored_at: UnixSeconds
    final_deadline: UnixSeconds
    location: str = ""


class Draft(Protocol):
    """An archive on its way in: written from the start, then looked into, then kept or dropped."""

    async def write(self, piece: bytes) -> None:
        """Append.

        Raises:
            StorageFull, StorageDown: It was not taken.
        """

    def reading(self) -> AbstractContextManager[BinaryIO]:
        """Open what was written, to be read at any place; reading may block.

        An OSError inside leaves as StorageFull or StorageDown.
        """

    async def keep(self, archive: Archive) -> Archive:
        """Keep it for good, and return the archive with its location; it survives a power cut.

        Repeatable: one of the same task, worker and digest is replaced.

        Raises:
            StorageFull, StorageDown: It was not kept.
        """


class ResultStorage(Protocol):
    """Archives by task, worker and digest.

    Every method raises StorageFull when there is no room, StorageDown when the storage fails.
    """

    def receiving(self) -> AbstractAsyncContextManager[Draft]:
        """Lend a draft for an upload under way; what was not kept is dropped in the end."""

    async def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""

    async def tasks(self) -> tuple[TaskId, ...]:
        """Return every task with an archive."""

    async def at(self, location: str) -> tuple[Archive, ...]:
        """Return the archives that lie at an address of the storage's own, such as ``/ipfs/…``.

        They have the same content; there are several where several tasks came to it.
        """

    def stream(
        self, archive: Archive, first: int = 0, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield the bytes of an archive from ``first`` on, ``count`` of them or all."""

    async def remove(self, archive: Archive) -> None:
        """Delete an archive; repeatable."""


class ObjectStore(Protocol):
    """Files by name at a service that somebody runs: an object store, or an IPFS node.

    A name is a path with ``/``. Every method raises StorageFull when there is no room there, and
    StorageDown when it does not answer, or refuses what it allowed at the start.
    """

    async def check(self) -> None:
        """Write a small file and remove it, as the settings would have it.

        Raises:
            StorageUnfit: Credentials, bucket or address are wrong.
        """

    async def put(self, name: str, path: str) -> str:
        """Store a local file in pieces, in place of what has that name; it may be tried again.

        Returns:
            Under which address everybody finds it; empty where the storage has none for it.
        """

    def read(
        self, name: str, location: str, first: int, count: int | None = None
    ) -> AsyncIterator[bytes]:
        """Yield bytes of a file from ``first`` on, ``count`` of them or all; fewer where it ends.

        Args:
            name: Under which it was stored.
            location: What ``put`` returned.
            first: Byte to begin with.
            count: Bytes.
        """

    async def remove(self, name: str) -> None:
        """Delete a file; repeatable."""

    def names(self) -> AsyncIterator[str]:
        """Yield the names of all files, in any order."""
