"""Where each task's files lie on the worker's disk."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import structlog

from poolhand.containers.folders import remove
from poolhand.domain.ids import TaskId

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Folder:
    """Files of one task: ``input`` is mounted as /iexec_in, ``output`` as /iexec_out.

    ``work`` holds a copy of the folder in which the app's image starts.
    """

    root: Path

    @property
    def input(self) -> Path:
        """Dataset and input files."""
        return self.root / "input"

    @property
    def output(self) -> Path:
        """What the app writes."""
        return self.root / "output" / "iexec_out"

    @property
    def work(self) -> Path:
        """What the app writes beside itself; nobody reads it."""
        return self.root / "work" / "folder"

    @property
    def proxy(self) -> Path:
        """The socket by which the app reaches hosts, where it may."""
        return self.root / "proxy"

    @property
    def archive(self) -> Path:
        """The result archive; its presence tells that the computation ended well."""
        return self.root / "output" / "iexec_out.zip"

    @property
    def encrypted(self) -> Path:
        """The archive as the beneficiary alone can open it, where the deal asks for that."""
        return self.root / "iexec_out.encrypted.zip"

    def create(self) -> None:
        """Make the folders; those that exist are left as they are.

        Containers read and write the inner ones under other uids; the outer one keeps the rest of
        this machine from what they leave there.
        """
        for each in (self.input, self.output, self.work):
            each.mkdir(parents=True, exist_ok=True)
        self.input.chmod(0o755)
        self.root.chmod(0o700)


class TaskFolders:
    """The folders of all tasks of one worker.

    Attributes:
        base: Where they lie; it need not be there before the first task.
    """

    def __init__(self, base: Path) -> None:
        self.base = base

    def of(self, task_id: TaskId) -> Folder:
        """Return the folder of a task; nothing is created."""
        return Folder(self.base / str(task_id))

    def discard(self, task_id: TaskId) -> None:
        """Remove a task's folder, whatever an app has built there; none is fine."""
        _remove(self.of(task_id).root)

    def discard_all_but(self, held: Collection[TaskId]) -> None:
        """Remove the folders, and the disks in them, of tasks that are not held."""
        kept = {str(task_id) for task_id in held}
        for folder in self.base.iterdir() if self.base.is_dir() else ():
            if folder.name not in kept:
                log.info("task_folder_removed", folder=folder.name)
                _remove(folder)


def _remove(folder: Path) -> None:
    try:
        remove(folder)
    except OSError as fault:
        log.warning("task_folder_left", folder=str(folder), cause=str(fault))
