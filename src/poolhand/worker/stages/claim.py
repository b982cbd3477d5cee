"""Getting the stake out of a task whose pool does not claim it."""

from __future__ import annotations

from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, Raced, Refused
from poolhand.domain.onchain import ChainTaskStatus, Claim
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.observe.retry import ChainRetry
from poolhand.ports.clock import Clock
from poolhand.worker.task_views import TaskViews
from poolhand.worker.worker_wallet import WorkerWallet

PAUSE_BETWEEN_CLAIM_TRIES: Final = 30.0
"""Seconds between two tries: nothing is lost by waiting, and a wallet may be refilled meanwhile."""

log = structlog.get_logger()


class ClaimStage:
    """Claims the task, which refunds requester and workers; anybody may, after its final deadline.

    Args:
        views: Of tasks.
        wallet: Sends.
        retry: Waits while the chain does not answer.
        clock: For pauses.
    """

    def __init__(
        self, views: TaskViews, wallet: WorkerWallet, retry: ChainRetry, clock: Clock
    ) -> None:
        self._views, self._wallet, self._retry, self._clock = views, wallet, retry, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Try until the task is claimed, by whomever."""
        task_id = replicate.offer.task_id
        call, purpose = Claim((task_id,)), f"claim:{task_id}"
        while True:
            view = await self._views.now(task_id)
            if view.status is ChainTaskStatus.FAILED:
                refunded = "the task was claimed: everybody is refunded"
                return Finished(self._clock.now(), Action.CLAIM, Status.FAILED, refunded)
            try:
                receipt = await self._retry.ask(lambda: self._wallet.send(purpose, call))
            except EndsProgram:
                raise
            except (Refused, Raced) as fault:
                log.warning("claim_refused", task_id=str(task_id), cause=str(fault))
                if (await self._views.now(task_id)).status is not ChainTaskStatus.FAILED:
                    await self._clock.sleep(PAUSE_BETWEEN_CLAIM_TRIES)
                continue
            ours = "this worker claimed the task that its pool had left: everybody is refunded"
            return Finished(
                self._clock.now(), Action.CLAIM, Status.FAILED, ours, receipt.tx_hash,
                block=receipt.block,
            )  # fmt: skip
