"""What an earlier life of the worker has left and nobody needs: containers, folders, disks."""

from __future__ import annotations

import asyncio

from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.task_folders import TaskFolders


class Sweep:
    """Removes what is left of replicates that are no longer held.

    Args:
        shell: Knows what is held.
        engine: Has the containers.
        folders: With their disks.
        boundary: Takes what goes wrong and nobody expected.
        tasks: Owns what goes on beside.
    """

    def __init__(
        self,
        shell: ReplicateShell,
        engine: AppEngine,
        folders: TaskFolders,
        boundary: FaultBoundary,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._shell, self._engine, self._folders = shell, engine, folders
        self._boundary, self._tasks = boundary, tasks

    async def once(self) -> None:
        """Remove it.

        A worker that holds some replicates goes on without its engine, for their stake may depend
        on reveals, which need none.

        Raises:
            RuntimeDown: There is no container engine, and nothing else to do.
        """
        held = tuple(self._shell.replicates)
        await asyncio.to_thread(self._folders.discard_all_but, held)
        if held:
            self._tasks.create_task(self._later())
            return
        try:
            await self._engine.sweep(self._held)
        except RuntimeDown:
            raise
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is the program's
            self._boundary.take(fault, "sweep")

    async def _later(self) -> None:
        with self._boundary.around("sweep"):
            await self._engine.sweep_in_time(self._held)

    def _held(self) -> list[TaskId]:
        return [name for name, each in self._shell.replicates.items() if not each.is_over]
