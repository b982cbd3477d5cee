"""*Simulated*: what is not done, or done too late."""

from __future__ import annotations

import asyncio

from poolhand.devnet.adversaries.onlooker import Onlooker
from poolhand.domain.onchain import ChainTaskStatus, TaskView
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.wire.messages import Capacity, SchedulerBound
from poolhand.worker.reports import PoolLink
from poolhand.worker.shell import StageRunner


async def do_nothing(onlooker: Onlooker, honest: StageRunner, replicate: Replicate) -> Finished:
    """Do nothing until the replicate is ended by what the chain does about it."""
    del onlooker, honest, replicate
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable: the future above is never done")


class Mute:
    """Implements ``PoolLink`` over an honest one: it takes offers, and answers none."""

    def __init__(self, link: PoolLink) -> None:
        self._link = link

    def send(self, message: SchedulerBound) -> None:
        """Send that there is room for work, and nothing else."""
        if isinstance(message, Capacity):
            self._link.send(message)


async def fail(onlooker: Onlooker, honest: StageRunner, replicate: Replicate) -> Finished:
    """Fail without having tried."""
    del honest, replicate
    detail = "simulated adversary: it fails in every computation"
    return Finished(onlooker.now(), Action.COMPUTE, Status.COMPUTE_FAILED, detail)


async def contribute_late(
    onlooker: Onlooker, honest: StageRunner, replicate: Replicate
) -> Finished:
    """Wait until contributing is over, in block time, and only then try.

    The waiting is part of the stage: a worker that has begun to contribute waits for the outcome
    where others give up at the deadline.
    """
    await onlooker.seen(replicate.offer.task_id, _takes_no_more)
    return await honest.perform(replicate, Action.CONTRIBUTE)


def _takes_no_more(view: TaskView) -> bool:
    is_late = view.block_time >= view.contribution_deadline
    return view.status > ChainTaskStatus.ACTIVE or (
        view.status is ChainTaskStatus.ACTIVE and is_late
    )
