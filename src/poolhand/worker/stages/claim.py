"""Getting the stake out of a task whose pool does not claim it."""

from __future__ import annotations

from typing import Final

import structlog

from poolhand.domain.errors import Raced, Refused
from poolhand.domain.onchain import ChainTaskStatus, Claim
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.toolbox import Toolbox

PAUSE: Final = 30.0
"""Seconds between two tries: nothing is lost by waiting, and a wallet may be refilled meanwhile."""

log = structlog.get_logger()


async def claim(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Claim the task, which refunds requester and workers; anybody may, after its final deadline.

    Tries until the task is claimed, by whomever.
    """
    task_id = replicate.offer.task_id
    call, purpose = Claim((task_id,)), f"claim:{task_id}"
    while True:
        view = await toolbox.view(task_id)
        if view.status is ChainTaskStatus.FAILED:
            refunded = "the task was claimed: everybody is refunded"
            return Finished(toolbox.clock.now(), Action.CLAIM, Status.FAILED, refunded)
        try:
            receipt = await toolbox.until_answered(lambda: toolbox.sender.send(purpose, call))
        except (Refused, Raced) as fault:
            log.warning("claim_refused", task_id=str(task_id), cause=str(fault))
            if (await toolbox.view(task_id)).status is not ChainTaskStatus.FAILED:
                await toolbox.clock.sleep(PAUSE)
            continue
        ours = "this worker claimed the task that its pool had left: everybody is refunded"
        return Finished(
            toolbox.clock.now(), Action.CLAIM, Status.FAILED, ours, receipt.tx_hash,
            block=receipt.block,
        )  # fmt: skip
