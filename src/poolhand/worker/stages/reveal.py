"""Proving the result on chain."""

from __future__ import annotations

from poolhand.domain.errors import EndsProgram, OutOfGas, Raced, Refused
from poolhand.domain.hashes import result_hash
from poolhand.domain.ids import ResultDigest, TxHash
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    Reveal,
    TaskView,
)
from poolhand.domain.replicate.machine import Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import BlockNumber
from poolhand.observe.retry import ChainRetry
from poolhand.ports.clock import Clock
from poolhand.worker.task_views import TaskViews
from poolhand.worker.worker_wallet import WorkerWallet


class RevealStage:
    """Sends the reveal, once, and waits until it is mined.

    Args:
        views: Of tasks.
        wallet: Sends.
        retry: Waits while the chain does not answer.
        clock: Tells when it ended.
    """

    def __init__(
        self, views: TaskViews, wallet: WorkerWallet, retry: ChainRetry, clock: Clock
    ) -> None:
        self._views, self._wallet, self._retry, self._clock = views, wallet, retry, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Reveal, unless that is done already."""
        task_id, digest = replicate.offer.task_id, replicate.digest
        assert digest is not None
        view = await self._views.when(
            task_id, lambda seen: seen.status >= ChainTaskStatus.REVEALING
        )
        if self._own(view).status is ContributionStatus.PROVED:
            return self._end(Status.REVEALED, block=view.block)
        hindrance = self._hindrance(view, digest)
        if hindrance is not None:
            return self._end(Status.CANT_REVEAL, hindrance)
        call, purpose = Reveal(task_id, digest), f"reveal:{task_id}"
        try:
            receipt = await self._retry.ask(lambda: self._wallet.send(purpose, call))
        except OutOfGas as fault:
            return self._end(Status.OUT_OF_GAS, str(fault))
        except EndsProgram:
            raise
        except (Refused, Raced) as fault:
            view = await self._views.now(task_id)
            proved = self._own(view).status is ContributionStatus.PROVED
            status = Status.REVEALED if proved else Status.REVEAL_FAILED
            return self._end(status, str(fault), block=view.block if proved else None)
        return self._end(Status.REVEALED, tx=receipt.tx_hash, block=receipt.block)

    def _own(self, view: TaskView) -> ContributionView:
        return view.contributions[self._views.worker]

    def _hindrance(self, view: TaskView, digest: ResultDigest) -> str | None:
        if view.status is not ChainTaskStatus.REVEALING:
            return f"the task is {view.status.name} on chain, not REVEALING"
        if view.block_time >= view.reveal_deadline:
            return f"the deadline to reveal passed {view.block_time - view.reveal_deadline} s ago"
        if view.consensus != result_hash(view.task_id, digest):
            return f"the consensus is {view.consensus.short}, not this worker's result"
        if self._own(view).status is not ContributionStatus.CONTRIBUTED:
            return f"the contribution is {self._own(view).status.name} on chain"
        return None

    def _end(
        self,
        status: Status,
        detail: str | None = None,
        tx: TxHash | None = None,
        block: BlockNumber | None = None,
    ) -> Finished:
        kept = detail if status is not Status.REVEALED else None
        return Finished(self._clock.now(), Action.REVEAL, status, kept, tx, block=block)
