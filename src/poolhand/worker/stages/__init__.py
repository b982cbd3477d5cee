"""The worker's stages, a file each: every one looks before it leaps and ends in ``Finished``."""

from __future__ import annotations

import asyncio
from functools import partial

from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.brief import BadOffer
from poolhand.worker.disk_watch import until_room
from poolhand.worker.stages.check import check
from poolhand.worker.stages.claim import claim
from poolhand.worker.stages.compute import compute
from poolhand.worker.stages.contribute import contribute
from poolhand.worker.stages.download import download_app, download_data
from poolhand.worker.stages.engine import in_time
from poolhand.worker.stages.reveal import reveal
from poolhand.worker.stages.upload import upload
from poolhand.worker.toolbox import Toolbox

_STAGES = {
    Action.DOWNLOAD_APP: download_app,
    Action.DOWNLOAD_DATA: download_data,
    Action.COMPUTE: compute,
    Action.CHECK: check,
    Action.CONTRIBUTE: contribute,
    Action.REVEAL: reveal,
    Action.UPLOAD: upload,
    Action.CLAIM: claim,
}
_GONE = {
    Action.DOWNLOAD_APP: Status.APP_DOWNLOAD_FAILED,
    Action.DOWNLOAD_DATA: Status.DATA_DOWNLOAD_FAILED,
    Action.COMPUTE: Status.COMPUTE_FAILED,
    Action.CHECK: Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
    Action.CONTRIBUTE: Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
}
"""How the stages that need the deal end when there is no such deal any more."""


_SPOILT_BY_A_FULL_DISK = (Status.DATA_DOWNLOAD_FAILED, Status.COMPUTE_FAILED)


class Stages:
    """All stages, with one toolbox: real, or with fakes behind its ports.

    Args:
        toolbox: What they work with.
        slots: Apps that run at once; further ones wait.
    """

    def __init__(self, toolbox: Toolbox, slots: int) -> None:
        self._toolbox, self._slots = toolbox, asyncio.Semaphore(slots)

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage; every expected failure becomes an outcome."""
        try:
            return await self._perform(replicate, action)
        except BadOffer as fault:
            # The chain has taken back the deal of a replicate that was accepted.
            return Finished(self._toolbox.clock.now(), action, _GONE[action], str(fault))

    async def _perform(self, replicate: Replicate, action: Action) -> Finished:
        if action is not Action.COMPUTE:
            return await self._with_room(replicate, action)
        async with self._slots:
            return await self._with_room(replicate, action)

    async def _with_room(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out a stage; anew where a full disk may have spoilt it."""
        while True:
            finished = await _STAGES[action](self._toolbox, replicate)
            spoilt = finished.outcome in _SPOILT_BY_A_FULL_DISK
            if not (spoilt and await until_room(self._toolbox)):
                return finished

    async def clean(self, replicate: Replicate) -> None:
        """Stop the container and remove the files; waits while the engine is down; repeatable."""
        task_id = replicate.offer.task_id
        kill = partial(self._toolbox.runtime.kill, self._toolbox.container(task_id))
        await in_time(self._toolbox, kill, task_id=str(task_id))
        await asyncio.to_thread(self._toolbox.discard, task_id)
