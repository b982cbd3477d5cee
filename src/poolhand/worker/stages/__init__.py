"""The worker's stages, a file each: every one looks before it leaps and ends in ``Finished``."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.clock import Clock
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.brief import BadOffer
from poolhand.worker.disk_watch import DiskRoom
from poolhand.worker.task_folders import TaskFolders
from poolhand.worker.tee.computing import ConfidentialComputation

Stage: TypeAlias = Callable[[Replicate], Awaitable[Finished]]
"""Carries out one stage of a replicate."""

_GONE: Final = {
    Action.DOWNLOAD_APP: Status.APP_DOWNLOAD_FAILED,
    Action.DOWNLOAD_DATA: Status.DATA_DOWNLOAD_FAILED,
    Action.COMPUTE: Status.COMPUTE_FAILED,
    Action.CHECK: Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
    Action.CONTRIBUTE: Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
}
"""How the stages that need the deal end when there is no such deal any more."""
_SPOILT_BY_A_FULL_DISK: Final = {
    Action.DOWNLOAD_DATA: (Status.DATA_DOWNLOAD_FAILED, Status.FAILED),
    Action.COMPUTE: (Status.COMPUTE_FAILED, Status.FAILED),
}
"""How a stage may end because there is no room."""


class Stages:
    """All stages of one worker.

    Args:
        stages: By what they do.
        room: On the disk; a stage that a full one may have spoilt is carried out anew.
        engine, folders: What is left there by a replicate that is over.
        clock: Tells when a stage ended.
        slots: Apps that run at once; further ones wait.
        confidential: Has containers and memory of its own; None: there is nothing such.
    """

    def __init__(
        self,
        stages: Mapping[Action, Stage],
        room: DiskRoom,
        engine: AppEngine,
        folders: TaskFolders,
        clock: Clock,
        slots: int,
        confidential: ConfidentialComputation | None = None,
    ) -> None:
        self._confidential = confidential
        self._stages, self._room, self._engine, self._folders = stages, room, engine, folders
        self._clock, self._slots = clock, asyncio.Semaphore(slots)

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage; every expected failure becomes an outcome."""
        try:
            return await self._perform(replicate, action)
        except BadOffer as fault:
            # The chain has taken back the deal of a replicate that was accepted.
            return Finished(self._clock.now(), action, _GONE[action], str(fault))

    async def _perform(self, replicate: Replicate, action: Action) -> Finished:
        if action is not Action.COMPUTE:
            return await self._with_room(replicate, action)
        async with self._slots:
            return await self._with_room(replicate, action)

    async def _with_room(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out a stage; anew where a full disk may have spoilt it."""
        while True:
            finished = await self._stages[action](replicate)
            spoilt = finished.outcome in _SPOILT_BY_A_FULL_DISK.get(action, ())
            if not (spoilt and await self._room.awaited()):
                return finished

    async def clean(self, replicate: Replicate) -> None:
        """Stop the container and remove the files; waits while the engine is down; repeatable."""
        await self._engine.kill(replicate.offer.task_id)
        if self._confidential is not None and not replicate.offer.enclave.is_zero:
            await self._confidential.forget(replicate.offer.task_id)
        await asyncio.to_thread(self._folders.discard, replicate.offer.task_id)
