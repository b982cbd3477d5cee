"""What a look at the chain means for a worker's replicate: reveal, claim, wait, or give up.

The worker believes the chain, not the scheduler: whatever it is told, it looks, and this function
says which event, if any, follows. So a scheduler that lies or dies costs no stake.
"""

from __future__ import annotations

from typing import Final

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
    ClaimDue,
    Ended,
    Replicate,
    RevealAsked,
    Settled,
    TakenBack,
)
from poolhand.domain.replicate.status import CONTRIBUTION_MINED, REVEAL_MINED, Status
from poolhand.domain.units import Seconds, UnixSeconds

REVEAL_PAUSE: Final = Seconds(5)
"""Pause after a refused reveal, times the refusals so far: the stake is worth every block."""
LONGEST_PAUSE_BETWEEN_REVEALS: Final = Seconds(30)
"""Longest pause between two tries to reveal; the shortest time to reveal is 600 s."""
DOUBTS: Final = (Status.REVEAL_FAILED, Status.CANT_REVEAL)
"""Reveals that were refused: the chain is looked at again with every block."""

FAULT_PAUSE: Final = Seconds(10)
"""Pause after a stage raised that saves stake, times the faults so far, up to the longest."""

BLOCKS_THAT_SETTLE: Final = 6
"""Blocks on top of an end after which it counts for good; re-organisations reach 5 at most."""

News = Activated | RevealAsked | TakenBack | ClaimDue | Ended | Settled


def news_of(
    view: TaskView,
    replicate: Replicate,
    worker: Address,
    at: UnixSeconds,
    claim_grace: Seconds | None = None,
) -> News | None:
    """Return what the chain, as it stood at ``view``, has to tell a replicate.

    An end that is only the fruit of a transaction still on its way (``running``) waits for the
    stage to finish, so that the history shows the transaction. A view from before the block of
    our own newest transaction, of a node that lags, tells nothing.

    Args:
        view: The task with this worker's contribution.
        replicate: As it stands.
        worker: Whose replicate it is.
        at: The worker's clock.
        claim_grace: How long after the final deadline the pool may claim the task before this
            worker does; None: for ever.
    """
    if view.block < replicate.mined_at:
        return None
    own = view.contributions.get(worker)
    status = own.status if own else ContributionStatus.UNSET
    if replicate.is_over:
        return _after_end(view, replicate, own, at, claim_grace)
    if replicate.running is Action.CLAIM and view.status < ChainTaskStatus.COMPLETED:
        return None
    if view.status < ChainTaskStatus.COMPLETED and _must_claim(view, status, claim_grace):
        return None if _rests(replicate, at) else ClaimDue(at)
    return _while_held(view, replicate, own, at)


def _while_held(
    view: TaskView, replicate: Replicate, own: ContributionView | None, at: UnixSeconds
) -> News | None:
    match view.status:
        case ChainTaskStatus.UNSET:
            return _while_unset(view, replicate, at)
        case ChainTaskStatus.ACTIVE:
            return _while_active(view, replicate, own, at)
        case ChainTaskStatus.REVEALING:
            return _while_revealing(view, replicate, own, at)
        case ChainTaskStatus.COMPLETED:
            return _when_completed(view, replicate, own, at)
        case ChainTaskStatus.FAILED:
            waits = replicate.running is Action.CLAIM
            refunded = "the task was claimed: everybody is refunded"
            return None if waits else Ended(at, Status.FAILED, refunded, view.block)


def _after_end(
    view: TaskView,
    replicate: Replicate,
    own: ContributionView | None,
    at: UnixSeconds,
    claim_grace: Seconds | None,
) -> News | None:
    """Watch an end until it counts for good, and save the stake should the chain take it back."""
    status = own.status if own else ContributionStatus.UNSET
    if not _may_hold_stake(view, replicate, status):
        return Settled(at) if view.block >= replicate.mined_at + BLOCKS_THAT_SETTLE else None
    if replicate.running is not None or _rests(replicate, at):
        return None
    if _must_claim(view, status, claim_grace):
        return ClaimDue(at)
    unproved = status is ContributionStatus.CONTRIBUTED and _agrees(view, replicate, own)
    return RevealAsked(at) if unproved and view.block_time < view.reveal_deadline else None


def _may_hold_stake(view: TaskView, replicate: Replicate, own: ContributionStatus) -> bool:
    """Whether stake is in the task, or a contribution taken back may put it there again."""
    if view.status >= ChainTaskStatus.COMPLETED:
        return False
    if own is not ContributionStatus.UNSET:
        return True
    deadline = view.contribution_deadline or replicate.deadline
    sent = replicate.count(Status.CONTRIBUTED) > 0 or replicate.trouble.unsure
    return sent and view.block_time < deadline


def _rests(replicate: Replicate, at: UnixSeconds) -> bool:
    """Whether a stage that raised while it saved stake is not to be tried again yet."""
    trouble = replicate.trouble
    return at < trouble.faulted_at + min(
        FAULT_PAUSE * trouble.faults, LONGEST_PAUSE_BETWEEN_REVEALS
    )


def _must_claim(view: TaskView, own: ContributionStatus, grace: Seconds | None) -> bool:
    """Whether stake lies in an open task that only a claim can end, and the pool makes none."""
    staked = own is not ContributionStatus.UNSET
    return grace is not None and staked and view.block_time >= view.final_deadline + grace


def _while_unset(view: TaskView, replicate: Replicate, at: UnixSeconds) -> News | None:
    """End what was never initialized: its pool is gone, and nothing is staked."""
    late = 0 < replicate.deadline <= view.block_time
    if not late or replicate.running is Action.CONTRIBUTE:
        return None
    never = "the pool never initialized the task on chain"
    return Ended(at, Status.ABORTED_ON_CONTRIBUTION_TIMEOUT, never, view.block)


def _while_active(
    view: TaskView, replicate: Replicate, own: ContributionView | None, at: UnixSeconds
) -> News | None:
    if own is not None and own.status is ContributionStatus.REJECTED:
        reopened = "the task was reopened: nobody revealed in time"
        return Ended(at, Status.REVEAL_TIMEOUT, reopened, view.block)
    missing = own is None or own.status is ContributionStatus.UNSET
    late = view.block_time >= view.contribution_deadline
    if late and missing and replicate.running is not Action.CONTRIBUTE:
        return Ended(at, Status.ABORTED_ON_CONTRIBUTION_TIMEOUT, block=view.block)
    if not replicate.active:
        return Activated(at)
    gone = missing and replicate.status in CONTRIBUTION_MINED and view.block > replicate.mined_at
    if gone and replicate.has_contributed and replicate.running in (None, Action.REVEAL):
        return TakenBack(at, Action.CONTRIBUTE, view.block)
    return None


def _while_revealing(
    view: TaskView, replicate: Replicate, own: ContributionView | None, at: UnixSeconds
) -> News | None:
    """Tell who is part of the consensus to reveal, and who has staked nothing to go.

    Who contributed another result stays: after a reopening its group may win, and then only the
    reveal saves its stake. A reveal that was mined though it seemed refused is told once more.
    """
    status = own.status if own else ContributionStatus.UNSET
    if status is ContributionStatus.PROVED:
        unknown = replicate.status in (Status.CONTRIBUTED, *DOUBTS) and not replicate.reveal_asked
        return RevealAsked(at) if unknown else None
    if not _agrees(view, replicate, own):
        at_stake = status is ContributionStatus.CONTRIBUTED
        if at_stake or replicate.running is Action.CONTRIBUTE:
            return None
        return Ended(at, Status.ABORTED_ON_CONSENSUS_REACHED, block=view.block)
    if view.block_time >= view.reveal_deadline:
        return (
            None
            if replicate.running is Action.REVEAL
            else Ended(at, Status.REVEAL_TIMEOUT, block=view.block)
        )
    return _in_time_to_reveal(view, replicate, at)


def _in_time_to_reveal(view: TaskView, replicate: Replicate, at: UnixSeconds) -> News | None:
    """Ask for the reveal that the chain does not have: the first, another, or one taken back."""
    if replicate.status in REVEAL_MINED:
        idle = replicate.running is None and view.block > replicate.mined_at
        return TakenBack(at, Action.REVEAL, view.block) if idle else None
    if replicate.status in DOUBTS:
        tries = replicate.count(*DOUBTS)
        pause = min(REVEAL_PAUSE * tries, LONGEST_PAUSE_BETWEEN_REVEALS)
        return RevealAsked(at) if at >= replicate.history[-1].at + pause else None
    return None if replicate.reveal_asked else RevealAsked(at)


def _when_completed(
    view: TaskView, replicate: Replicate, own: ContributionView | None, at: UnixSeconds
) -> News | None:
    if own is not None and own.status is ContributionStatus.PROVED:
        waits = replicate.running in (Action.CONTRIBUTE, Action.REVEAL)
        return None if waits else Ended(at, Status.COMPLETED, block=view.block)
    if replicate.running is Action.CONTRIBUTE:
        return None
    missed = _agrees(view, replicate, own)
    status = Status.REVEAL_TIMEOUT if missed else Status.ABORTED_ON_CONSENSUS_REACHED
    return Ended(at, status, block=view.block)


def _agrees(view: TaskView, replicate: Replicate, own: ContributionView | None) -> bool:
    """Whether the consensus is what this worker contributed."""
    if own is None or own.status is ContributionStatus.UNSET or replicate.digest is None:
        return False
    return own.result_hash == view.consensus == result_hash(view.task_id, replicate.digest)
