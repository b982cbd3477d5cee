"""May this worker contribute? Asked of the chain, in the order in which it would refuse."""

from __future__ import annotations

from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, TaskView
from poolhand.domain.replicate.machine import Action, Finished, Flow, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.worker.stages.contribute import is_ours
from poolhand.worker.stages.stake import stake_shortage
from poolhand.worker.toolbox import Toolbox


async def check(toolbox: Toolbox, replicate: Replicate) -> Finished:
    """Look at task, deadline, contribution and stake."""
    offer = replicate.offer
    brief = await toolbox.brief(offer)
    view = await toolbox.view_begun(replicate, "the contribution waits for it")
    digest = replicate.digest
    if digest is not None and is_ours(toolbox, view, digest):
        # Sent before a crash whose journal's tail is lost: CONTRIBUTE will find it there.
        return Finished(toolbox.clock.now(), Action.CHECK, Status.CAN_CONTRIBUTE)
    refusal = _refuse(toolbox, view)
    if refusal is None and offer.flow is Flow.STANDARD:
        needed = brief.deal.worker_stake
        shortage = await stake_shortage(toolbox, needed, view.contribution_deadline)
        if shortage is not None:
            refusal = Status.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW, shortage
    status, detail = refusal or (Status.CAN_CONTRIBUTE, None)
    return Finished(toolbox.clock.now(), Action.CHECK, status, detail)


def _refuse(toolbox: Toolbox, view: TaskView) -> tuple[Status, str] | None:
    if view.status is not ChainTaskStatus.ACTIVE:
        return (
            Status.CANT_CONTRIBUTE_SINCE_TASK_NOT_ACTIVE,
            f"the task is {view.status.name} on chain",
        )
    if view.block_time >= view.contribution_deadline:
        late = view.block_time - view.contribution_deadline
        return (
            Status.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE,
            f"the deadline to contribute passed {late} s ago",
        )
    own = view.contributions.get(toolbox.worker)
    if own is not None and own.status is not ContributionStatus.UNSET:
        return (
            Status.CANT_CONTRIBUTE_SINCE_CONTRIBUTION_ALREADY_SET,
            f"{toolbox.worker} has contributed {own.result_hash.short} before",
        )
    return None
