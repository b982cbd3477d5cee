"""How far the work of a task is: bytes that have come, what its container uses, what its app says.

Looked at while somebody reads it, and never otherwise. The app's own file is a stranger's: it is
opened without following a link or waiting for a pipe, and little of it is read.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from poolhand.domain.app_progress import (
    MOST_PROGRESS_READ,
    PROGRESS_FILE,
    AppProgress,
    read_progress,
)
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.ports.runtime import ContainerRuntime, ContainerUse
from poolhand.wire.messages import WorkProgress
from poolhand.worker.task_folders import Folder, TaskFolders

_NO_USE = ContainerUse(0, 0.0, 0)


class WorkLooks:
    """Looks at the work of tasks.

    Args:
        runtime: Has the containers.
        container: Names that of a task.
        folders: Have their files.
        image: Names that of a task once it is known.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        container: Callable[[TaskId], str],
        folders: TaskFolders,
        image: Callable[[TaskId], str | None],
    ) -> None:
        self._runtime, self._container, self._folders = runtime, container, folders
        self._image = image

    async def look(self, task_id: TaskId) -> WorkProgress:
        """Return how far it is; an engine that does not answer tells of nothing in use."""
        use = None
        with suppress(RuntimeDown):
            use = await self._runtime.usage(self._container(task_id))
        found = use or _NO_USE
        image = self._image(task_id)
        pulled = None if image is None else self._runtime.pulling(image)
        downloaded, said = await asyncio.to_thread(_in_folder, self._folders.of(task_id))
        return WorkProgress(
            task_id,
            pulled,
            downloaded,
            found.memory,
            round(found.cpu_seconds * 1000),
            found.processes,
            said.millionths if said else None,
            said.words if said else "",
        )


def _in_folder(folder: Folder) -> tuple[int, AppProgress | None]:
    return _size(folder.input), app_progress(folder.output)


def _size(folder: Path) -> int:
    """Return the bytes of what has been downloaded, whole or in part."""
    total = 0
    with suppress(OSError), os.scandir(folder) as entries:
        for each in entries:
            with suppress(OSError):
                total += each.stat(follow_symlinks=False).st_size
    return total


def app_progress(output: Path) -> AppProgress | None:
    """Return what an app reports in its folder for results; None: nothing that can be read."""
    try:
        handle = os.open(
            output / PROGRESS_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        )
    except OSError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            return None
        return read_progress(os.read(handle, MOST_PROGRESS_READ))
    except OSError:
        return None
    finally:
        os.close(handle)


def drop_progress(output: Path) -> None:
    """Take the file away, which is no part of a result; a folder of its name is left."""
    with suppress(OSError):
        (output / PROGRESS_FILE).unlink(missing_ok=True)
