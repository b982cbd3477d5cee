"""Putting the contribution on chain, alone or together with the finalization."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import structlog

from poolhand.chain.errors import UnexplainedRevert
from poolhand.domain.errors import (
    AlreadyContributed,
    BrokenPrecondition,
    DeadlineReached,
    EndsProgram,
    OutOfGas,
    PoolhandError,
    Raced,
    Refused,
    Reverted,
    StakeTooLow,
    TaskNotActive,
)
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import Address, ResultDigest, TaskId
from poolhand.domain.onchain import (
    Call,
    ChainTaskStatus,
    Contribute,
    ContributeAndFinalize,
    ContributionStatus,
    Receipt,
    TaskView,
)
from poolhand.domain.replicate.machine import Action, Finished, Flow, Offer, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Wei
from poolhand.observe.retry import ChainRetry
from poolhand.ports.chain import Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.briefs import Briefs
from poolhand.worker.stages.stake import StakeLook
from poolhand.worker.task_views import TaskViews
from poolhand.worker.worker_wallet import WorkerWallet

MOST_REFUSED: Final = 2
"""Refusals on chain that are borne, each for gas; the next one is believed."""

log = structlog.get_logger()
_OUTCOMES: tuple[tuple[type[PoolhandError], Status], ...] = (
    (StakeTooLow, Status.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW),
    (TaskNotActive, Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE),
    (DeadlineReached, Status.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE),
    (AlreadyContributed, Status.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET),
    (OutOfGas, Status.OUT_OF_GAS),
)


class ContributeStage:
    """Sends the contribution, once, and waits until it is mined.

    Args:
        briefs: Of the deals.
        views: Of the tasks.
        stake: Of the worker.
        wallet: Sends.
        watcher: Tells when to try again.
        retry: Waits while the chain does not answer.
        clock: Tells when the stage ended.
    """

    def __init__(
        self,
        briefs: Briefs,
        views: TaskViews,
        stake: StakeLook,
        wallet: WorkerWallet,
        watcher: Watcher,
        retry: ChainRetry,
        clock: Clock,
    ) -> None:
        self._briefs, self._views, self._stake, self._wallet = briefs, views, stake, wallet
        self._watcher, self._retry, self._clock = watcher, retry, clock

    async def __call__(self, replicate: Replicate) -> Finished:
        """Contribute."""
        digest, worker = replicate.digest, self._views.worker
        assert digest is not None
        try:
            receipt = await self._send(replicate, _call(worker, replicate, digest))
        except EndsProgram:
            raise
        except (Refused, Raced) as fault:
            view = await self._look_after(replicate.offer.task_id, fault)
            now = self._clock.now()
            if is_ours(worker, view, digest):
                return Finished(now, Action.CONTRIBUTE, Status.CONTRIBUTED, block=view.block)
            status = next((s for kind, s in _OUTCOMES if isinstance(fault, kind)), None)
            failed = status or Status.CONTRIBUTE_FAILED
            return Finished(now, Action.CONTRIBUTE, failed, str(fault))
        return Finished(
            self._clock.now(),
            Action.CONTRIBUTE,
            Status.CONTRIBUTED,
            tx=receipt.tx_hash,
            block=receipt.block,
        )

    async def _send(self, replicate: Replicate, call: Call) -> Receipt:
        """Send it, keeping the gas of reveals owed; too little stake must be so at the head.

        Raises:
            OutOfGas: The wallet cannot pay, or not with what the reveals may cost left over.
            Reverted: The contract refuses it; StakeTooLow is proven (``stages.stake``).
        """
        offer = replicate.offer
        purpose, refused = f"contribute:{offer.task_id}", 0
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                try:
                    reserve = await self._reserve(offer.flow)
                    return await self._retry.ask(lambda: self._wallet.place(purpose, call, reserve))  # noqa: B023 - awaited at once
                except StakeTooLow as fault:
                    await self._prove(offer, fault)
                except (TaskNotActive, UnexplainedRevert) as fault:
                    refused += fault.is_mined
                    await self._await_task(replicate, fault, refused)
        raise BrokenPrecondition("the watcher of heads has ended")

    async def _await_task(self, replicate: Replicate, fault: Reverted, refused: int) -> None:
        """Return when the task takes contributions after all.

        A re-organisation may take the initialization back, or put it behind a contribution: then a
        refusal says nothing of the task, only of the order in which transactions were mined.

        Args:
            replicate: Whose contribution was refused.
            fault: The refusal.
            refused: How often it was on chain, each time for gas.

        Raises:
            Reverted: ``fault`` itself, where waiting is no use.
        """
        view = await self._views.begun(replicate, str(fault))
        curable = isinstance(fault, TaskNotActive) or fault.is_mined
        own = view.contributions[self._views.worker].status
        is_late = view.block_time >= view.contribution_deadline
        is_open = view.status is ChainTaskStatus.ACTIVE and not is_late
        takes_it = is_open and own is ContributionStatus.UNSET
        if not (curable and takes_it) or refused > MOST_REFUSED:
            raise fault

    async def _reserve(self, flow: Flow) -> Wei:
        """Return what all reveals owed may cost, that of this very contribution included (wei)."""
        own = 1 if flow is Flow.STANDARD else 0
        return await self._retry.ask(lambda: self._wallet.reserve(own))

    async def _prove(self, offer: Offer, fault: StakeTooLow) -> None:
        """Return if the stake may do after all, at the next block.

        Raises:
            StakeTooLow: It is too low at the head of the chain.
            DeadlineReached: It may have been in time, on a node that does not lag.
        """
        brief = await self._briefs.of(offer)
        deadline = brief.category.contribution_deadline(brief.deal.start_time)
        shortage = await self._stake.shortage(brief.deal.worker_stake, deadline)
        if shortage is not None:
            raise _as_mined(StakeTooLow(shortage), fault) from fault
        head, _ = await self._stake.at_head()
        if head.timestamp >= deadline:
            late = DeadlineReached(f"contributions ended at {deadline}")
            raise _as_mined(late, fault) from fault

    async def _look_after(self, task_id: TaskId, fault: PoolhandError) -> TaskView:
        """Look whether the contribution is there after all.

        A node that lags is given time, and so is a re-organisation, which may let in what was
        refused: who has forgotten the result by then loses the stake.
        """
        mined = isinstance(fault, Reverted) and fault.is_mined
        if not (mined or isinstance(fault, AlreadyContributed)):
            return await self._views.now(task_id)
        worker, unset = self._views.worker, ContributionStatus.UNSET
        return await self._views.when(
            task_id, lambda seen: seen.contributions[worker].status is not unset
        )


def _as_mined(verdict: Reverted, fault: Reverted) -> Reverted:
    verdict.is_mined = fault.is_mined
    return verdict


def _call(worker: Address, replicate: Replicate, digest: ResultDigest) -> Call:
    offer, signed = replicate.offer, replicate.enclave_sign or b""
    if offer.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return ContributeAndFinalize(
            offer.task_id,
            digest,
            (replicate.link or "").encode(),
            replicate.callback_data or b"",
            offer.authorization,
            offer.enclave,
            signed,
        )
    return Contribute(
        offer.task_id,
        result_hash(offer.task_id, digest),
        result_seal(worker, offer.task_id, digest),
        offer.authorization,
        offer.enclave,
        signed,
    )


def is_ours(worker: Address, view: TaskView, digest: ResultDigest) -> bool:
    """Whether this very contribution is on chain already, from before a crash."""
    own = view.contributions.get(worker)
    return (
        own is not None
        and own.status in (ContributionStatus.CONTRIBUTED, ContributionStatus.PROVED)
        and own.seal == result_seal(worker, view.task_id, digest)
    )
