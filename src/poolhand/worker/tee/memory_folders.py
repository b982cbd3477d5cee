"""Where what confidential tasks read and write lies: in memory, on no disk.

Source: tmpfs(5); proc_pid_mountinfo(5).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from poolhand.containers.folders import remove
from poolhand.domain.errors import Refused
from poolhand.domain.ids import TaskId

TASK_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of ours in it, for its owner alone
MOUNT_TABLE: Final = Path("/proc/self/mountinfo")
_MARK: Final = 24
"""Hexadecimal digits of a task's id in its folder's name."""
_IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


class NoMemoryFolder(Refused):
    """There is no folder in memory, so that confidential tasks would leave their data on a disk."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"{folder} is no folder in memory (tmpfs), and what confidential tasks write must "
            f"lie on no disk: let this computer have a tmpfs at {TASK_MEMORY}"
        )


@dataclass(frozen=True, slots=True)
class MemoryFolder:
    """Files of one confidential task: opened data, the app's output, and the packed result."""

    root: Path

    @property
    def input(self) -> Path:
        """What the app reads."""
        return self.root / "in"

    @property
    def output(self) -> Path:
        """What the app writes."""
        return self.root / "out"

    @property
    def work(self) -> Path:
        """What the app writes beside itself; nobody reads it."""
        return self.root / "work"

    @property
    def packed(self) -> Path:
        """The archive, before it is brought to the task's folder on disk."""
        return self.root / "packed"

    @property
    def relay(self) -> Path:
        """The socket of the container that runs."""
        return self.root / "relay"

    def create(self) -> None:
        """Make the folders; the outer one is for its owner alone."""
        try:
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        except FileNotFoundError:  # the last other task ended meanwhile, and took the outer one
            self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        for each in (self.input, self.output, self.work, self.packed, self.relay):
            each.mkdir(exist_ok=True)


class MemoryFolders:
    """The folders of all confidential tasks of one worker.

    Args:
        base: The worker's folder on disk, which names it.
        memory: Where they are made.
    """

    def __init__(self, base: Path, memory: Path = TASK_MEMORY) -> None:
        mark = hashlib.sha256(os.fspath(base.absolute()).encode()).hexdigest()[:16]
        self._memory, self._base = memory, memory / f"poolhand-{os.getuid()}-{mark}"

    def check(self, table: Path = MOUNT_TABLE) -> None:
        """Check that they are in memory; raises NoMemoryFolder."""
        if kind_of(self._memory, table) not in _IN_MEMORY:
            raise NoMemoryFolder(self._memory)

    def of(self, task_id: TaskId) -> MemoryFolder:
        """Return the folder of a task; nothing is created. A socket's path may not be long."""
        return MemoryFolder(self._base / task_id.hex()[:_MARK])

    def discard(self, task_id: TaskId) -> None:
        """Remove a task's folder, and with the last one the worker's; none is fine."""
        remove(self.of(task_id).root)
        with suppress(OSError):  # others are there, or none was
            self._base.rmdir()

    def discard_all(self) -> None:
        """Remove what an earlier life has left: a computation is always begun anew."""
        remove(self._base)


def kind_of(folder: Path, table: Path = MOUNT_TABLE) -> str:
    """Return what kind of file system a folder is on; empty where nobody tells."""
    try:
        lines = table.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = before.split(" ")[4:5]
        if point and folder.is_relative_to(point[0]) and len(point[0]) >= best:
            best, kind = len(point[0]), after.split(" ")[0]
    return kind
