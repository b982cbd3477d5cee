"""Where the results service keeps archives."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """One file inside an archive: path and bytes expanded."""

    name: str
    size: int


@dataclass(frozen=True, slots=True)
class Archive:
    """One accepted archive: whose, for what, and what is in it.

    ``sha256`` is of the archive itself (32 bytes), ``size`` its bytes; ``stored_at`` is when it
    came, ``final_deadline`` when its task can no longer be finalized.
    """

    task_id: TaskId
    worker: Address
    digest: ResultDigest
    sha256: bytes
    size: int
    files: tuple[ArchiveFile, ...]
    stored_at: UnixSeconds
    final_deadline: UnixSeconds


class Vault(Protocol):
    """Archives by task, worker and digest. Every method may block for the length of a disk write.

    Every method raises VaultFull when there is no room, VaultDown when the disk fails.
    """

    def incoming(self) -> AbstractContextManager[str]:
        """Lend a new empty file for an upload under way; it is removed in the end.

        An OSError inside, from writing or reading the file, leaves as VaultFull or VaultDown.
        """

    def keep(self, archive: Archive, source: str) -> None:
        """Move an ``incoming`` file into the vault for good; it survives a power cut.

        Repeatable: one of the same task, worker and digest is replaced.
        """

    def of_task(self, task_id: TaskId) -> tuple[Archive, ...]:
        """Return the archives of a task, oldest first."""

    def tasks(self) -> Iterable[TaskId]:
        """Return every task with an archive."""

    def path(self, archive: Archive) -> str:
        """Return the local file to read an archive from."""

    def remove(self, archive: Archive) -> None:
        """Delete an archive; repeatable."""
