"""What a look at the chain means for a worker's replicate.

The worker believes the chain, not the scheduler: whatever it is told, it looks, and this function
says which event, if any, follows. So a scheduler that lies or dies costs no stake.
"""

from __future__ import annotations

from poolhand.domain.hashes import result_hash
from poolhand.domain.ids import Address
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    TaskView,
)
from poolhand.domain.replicate.machine import (
    Action,
    Activated,
    Ended,
    Replicate,
    RevealAsked,
)
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds

News = Activated | RevealAsked | Ended


def news_of(view: TaskView, replicate: Replicate, worker: Address, at: UnixSeconds) -> News | None:
    """Return what the chain, as it stood at ``view``, has to tell a replicate.

    An end that is only the fruit of a transaction still on its way (``running``) waits for the
    stage to finish, so that the history shows the transaction.
    """
    own = view.contributions.get(worker)
    status = own.status if own else ContributionStatus.UNSET
    match view.status:
        case ChainTaskStatus.UNSET:
            return None
        case ChainTaskStatus.ACTIVE:
            return _while_active(view, replicate, status, at)
        case ChainTaskStatus.REVEALING:
            return _while_revealing(view, replicate, own, at)
        case ChainTaskStatus.COMPLETED:
            return _when_completed(view, replicate, own, at)
        case ChainTaskStatus.FAILED:
            return Ended(at, Status.FAILED, "the task was claimed: everybody is refunded")


def _while_active(
    view: TaskView, replicate: Replicate, own: ContributionStatus, at: UnixSeconds
) -> News | None:
    if own is ContributionStatus.REJECTED:
        return Ended(at, Status.REVEAL_TIMEOUT, "the task was reopened for want of reveals")
    late = view.block_time >= view.contribution_deadline
    if late and own is ContributionStatus.UNSET and replicate.running is not Action.CONTRIBUTE:
        return Ended(at, Status.ABORTED_ON_CONTRIBUTION_TIMEOUT)
    return None if replicate.active else Activated(at)


def _while_revealing(
    view: TaskView, replicate: Replicate, own: ContributionView | None, at: UnixSeconds
) -> News | None:
    """Tell who is part of the consensus to reveal, and who has staked nothing to go.

    Who contributed another result stays: after a reopening its group may win, and then only the
    reveal saves its stake. A reveal that was mined though it seemed refused is told once more.
    """
    status = own.status if own else ContributionStatus.UNSET
    if status is ContributionStatus.PROVED:
        refused = replicate.status is Status.REVEAL_FAILED and not replicate.reveal_asked
        return RevealAsked(at) if refused else None
    if not _agrees(view, replicate, own):
        at_stake = status is ContributionStatus.CONTRIBUTED
        if at_stake or replicate.running is Action.CONTRIBUTE:
            return None
        return Ended(at, Status.ABORTED_ON_CONSENSUS_REACHED)
    if view.block_time >= view.reveal_deadline:
        return None if replicate.running is Action.REVEAL else Ended(at, Status.REVEAL_TIMEOUT)
    return None if replicate.reveal_asked else RevealAsked(at)


def _when_completed(
    view: TaskView, replicate: Replicate, own: ContributionView | None, at: UnixSeconds
) -> News | None:
    if own is not None and own.status is ContributionStatus.PROVED:
        waits = replicate.running in (Action.CONTRIBUTE, Action.REVEAL)
        return None if waits else Ended(at, Status.COMPLETED)
    if replicate.running is Action.CONTRIBUTE:
        return None
    missed = _agrees(view, replicate, own)
    return Ended(at, Status.REVEAL_TIMEOUT if missed else Status.ABORTED_ON_CONSENSUS_REACHED)


def _agrees(view: TaskView, replicate: Replicate, own: ContributionView | None) -> bool:
    """Whether the consensus is what this worker contributed."""
    if own is None or own.status is ContributionStatus.UNSET or replicate.digest is None:
        return False
    return own.result_hash == view.consensus == result_hash(view.task_id, replicate.digest)
