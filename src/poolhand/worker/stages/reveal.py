"""Proving the result on chain."""

from __future__ import annotations

from poolhand.domain.errors import OutOfGas, Raced, Refused
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
from poolhand.worker.toolbox import Toolbox


async def reveal(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Send the reveal, once, and wait until it is mined."""
    task_id, digest = replicate.offer.task_id, replicate.digest
    assert digest is not None
    view = await toolbox.view_when(task_id, lambda seen: seen.status >= ChainTaskStatus.REVEALING)
    if _own(toolbox, view).status is ContributionStatus.PROVED:
        return _end(toolbox, Status.REVEALED, block=view.block)
    hindrance = _hindrance(toolbox, view, digest)
    if hindrance is not None:
        return _end(toolbox, Status.CANT_REVEAL, hindrance)
    call = Reveal(task_id, digest)
    try:
        receipt = await toolbox.until_answered(
            lambda: toolbox.sender.send(f"reveal:{task_id}", call)
        )
    except OutOfGas as fault:
        return _end(toolbox, Status.OUT_OF_GAS, str(fault))
    except (Refused, Raced) as fault:
        view = await toolbox.view(task_id)
        proved = _own(toolbox, view).status is ContributionStatus.PROVED
        status = Status.REVEALED if proved else Status.REVEAL_FAILED
        return _end(toolbox, status, str(fault), block=view.block if proved else None)
    return _end(toolbox, Status.REVEALED, tx=receipt.tx_hash, block=receipt.block)


def _own(toolbox: Toolbox, view: TaskView) -> ContributionView:
    return view.contributions[toolbox.worker]


def _hindrance(toolbox: Toolbox, view: TaskView, digest: ResultDigest) -> str | None:
    if view.status is not ChainTaskStatus.REVEALING:
        return f"the task is {view.status.name} on chain, not REVEALING"
    if view.block_time >= view.reveal_deadline:
        return f"the deadline to reveal passed {view.block_time - view.reveal_deadline} s ago"
    if view.consensus != result_hash(view.task_id, digest):
        return f"the consensus is {view.consensus.short}, not this worker's result"
    if _own(toolbox, view).status is not ContributionStatus.CONTRIBUTED:
        return f"the contribution is {_own(toolbox, view).status.name} on chain"
    return None


def _end(
    toolbox: Toolbox,
    status: Status,
    detail: str | None = None,
    tx: TxHash | None = None,
    block: BlockNumber | None = None,
) -> Finished:
    kept = detail if status is not Status.REVEALED else None
    return Finished(toolbox.clock.now(), Action.REVEAL, status, kept, tx, block=block)
