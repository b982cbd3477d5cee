"""Putting the contribution on chain, alone or together with the finalization."""

from __future__ import annotations

from contextlib import aclosing
from typing import Final

import structlog

from poolhand.chain.errors import Displaced, UnexplainedRevert
from poolhand.domain import gas_reserve
from poolhand.domain.errors import (
    AlreadyContributed,
    BrokenPrecondition,
    DeadlineReached,
    OutOfGas,
    PoolhandError,
    Raced,
    Refused,
    Reverted,
    StakeTooLow,
    TaskNotActive,
)
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ResultDigest
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
from poolhand.worker.stages.stake import stake_shortage
from poolhand.worker.toolbox import Toolbox

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


async def contribute(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Send the contribution, once, and wait until it is mined."""
    digest = replicate.digest
    assert digest is not None
    try:
        receipt = await _send(toolbox, replicate, _call(toolbox, replicate, digest))
    except (Refused, Raced) as fault:
        view = await _look_after(toolbox, replicate, fault)
        if is_ours(toolbox, view, digest):
            return Finished(
                toolbox.clock.now(), Action.CONTRIBUTE, Status.CONTRIBUTED, block=view.block
            )
        status = next((s for kind, s in _OUTCOMES if isinstance(fault, kind)), None)
        return Finished(
            toolbox.clock.now(), Action.CONTRIBUTE, status or Status.CONTRIBUTE_FAILED, str(fault)
        )
    return Finished(
        toolbox.clock.now(),
        Action.CONTRIBUTE,
        Status.CONTRIBUTED,
        tx=receipt.tx_hash,
        block=receipt.block,
    )


async def _send(toolbox: Toolbox, replicate: Replicate, call: Call) -> Receipt:
    """Send it, keeping the gas of reveals owed; too little stake must be so at the head.

    Raises:
        OutOfGas: The wallet cannot pay, or not with what the reveals may cost left over.
        Reverted: The contract refuses it; StakeTooLow is proven (``stages.stake``).
    """
    offer = replicate.offer
    purpose, refused = f"contribute:{offer.task_id}", 0
    async with aclosing(toolbox.watcher.heads()) as heads:  # type: ignore[type-var]
        async for _ in heads:
            try:
                reserve = await _reserve(toolbox, offer.flow)
                return await toolbox.until_answered(lambda: _place(toolbox, purpose, call, reserve))  # noqa: B023 - awaited at once
            except StakeTooLow as fault:
                await _prove(toolbox, offer, fault)
            except (TaskNotActive, UnexplainedRevert) as fault:
                refused += fault.is_mined
                await _await_task(toolbox, replicate, fault, refused)
    raise BrokenPrecondition("the watcher of heads has ended")


async def _await_task(
    toolbox: Toolbox, replicate: Replicate, fault: Reverted, refused: int
) -> None:
    """Return when the task takes contributions after all.

    A re-organisation may take the initialization back, or put it behind a contribution: then a
    refusal says nothing of the task, only of the order in which transactions were mined.

    Args:
        toolbox: The worker's.
        replicate: Whose contribution was refused.
        fault: The refusal.
        refused: How often it was on chain, each time for gas.

    Raises:
        Reverted: ``fault`` itself, where waiting is no use.
    """
    view = await toolbox.view_begun(replicate, str(fault))
    curable = isinstance(fault, TaskNotActive) or fault.is_mined
    is_free = view.contributions[toolbox.worker].status is ContributionStatus.UNSET
    is_open = view.status is ChainTaskStatus.ACTIVE and view.block_time < view.contribution_deadline
    if not (curable and is_free and is_open) or refused > MOST_REFUSED:
        raise fault


async def _place(toolbox: Toolbox, purpose: str, call: Call, reserve: Wei) -> Receipt:
    """Send it; once more if the wallet was used elsewhere, for then ours can never be mined."""
    try:
        return await toolbox.sender.send(purpose, call, reserve)
    except Displaced as fault:
        log.warning("contribution_displaced", cause=str(fault))
        return await toolbox.sender.send(purpose, call, reserve)


async def _reserve(toolbox: Toolbox, flow: Flow) -> Wei:
    """Return what all reveals owed may cost, that of this very contribution included (wei)."""
    own = 1 if flow is Flow.STANDARD else 0
    means = await toolbox.until_answered(toolbox.sender.means)
    return gas_reserve.reserve(means, max(toolbox.owed(), own))


async def _prove(toolbox: Toolbox, offer: Offer, fault: StakeTooLow) -> None:
    """Return if the stake may do after all, at the next block.

    Raises:
        StakeTooLow: It is too low at the head of the chain.
        DeadlineReached: It may have been in time, on a node that does not lag.
    """
    brief = await toolbox.brief(offer)
    deadline = brief.category.contribution_deadline(brief.deal.start_time)
    shortage = await stake_shortage(toolbox, brief.deal.worker_stake, deadline)
    if shortage is not None:
        raise _as_mined(StakeTooLow(shortage), fault) from fault
    head = await toolbox.until_answered(toolbox.hub.head)
    if head.timestamp >= deadline:
        late = DeadlineReached(f"contributions ended at {deadline}")
        raise _as_mined(late, fault) from fault


def _as_mined(verdict: Reverted, fault: Reverted) -> Reverted:
    verdict.is_mined = fault.is_mined
    return verdict


async def _look_after(toolbox: Toolbox, replicate: Replicate, fault: PoolhandError) -> TaskView:
    """Look whether the contribution is there after all.

    A node that lags is given time, and so is a re-organisation, which may let in what was refused:
    who has forgotten the result by then loses the stake.
    """
    task_id = replicate.offer.task_id
    mined = isinstance(fault, Reverted) and fault.is_mined
    if not (mined or isinstance(fault, AlreadyContributed)):
        return await toolbox.view(task_id)
    unset = ContributionStatus.UNSET
    return await toolbox.view_when(
        task_id, lambda seen: seen.contributions[toolbox.worker].status is not unset
    )


def _call(toolbox: Toolbox, replicate: Replicate, digest: ResultDigest) -> Call:
    offer = replicate.offer
    if offer.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return ContributeAndFinalize(
            offer.task_id,
            digest,
            (replicate.link or "").encode(),
            replicate.callback_data or b"",
            offer.authorization,
        )
    return Contribute(
        offer.task_id,
        result_hash(offer.task_id, digest),
        result_seal(toolbox.worker, offer.task_id, digest),
        offer.authorization,
    )


def is_ours(toolbox: Toolbox, view: TaskView, digest: ResultDigest) -> bool:
    """Whether this very contribution is on chain already, from before a crash."""
    own = view.contributions.get(toolbox.worker)
    return (
        own is not None
        and own.status in (ContributionStatus.CONTRIBUTED, ContributionStatus.PROVED)
        and own.seal == result_seal(toolbox.worker, view.task_id, digest)
    )
