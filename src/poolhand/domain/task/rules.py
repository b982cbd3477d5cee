"""Decisions about a task, as pure functions of its state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Final

from eth_hash.auto import keccak

from poolhand.domain.ids import Address
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.events import Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.model import Attempt, Stored, Task
from poolhand.domain.task.status import FINAL_TASK, TaskStatus
from poolhand.domain.trust import Weight, contributions_needed, group_weight, newcomers_needed
from poolhand.domain.units import UnixSeconds

SPARE_FAILURES: Final = 3
"""Failed attempts, beyond the replicates that the trust needs, before a task is given up."""
NEWCOMERS_PER_PROVED: Final = 2
"""Failures of newcomers that weigh as much as one of a worker that has settled tasks."""
UPLOAD_PAUSE: Final = 5
"""Seconds between two upload requests to one worker, times its failures."""
UPLOAD_SILENCE: Final = 120
"""Seconds that a worker may be silent over the upload before another is asked too."""
AWAITED_AFTER_FORK: Final = 60
"""Seconds of block time in which what a re-organisation took back is awaited again."""
LAST_WORD: Final = 120
"""Seconds of block time in which a worker may say how its replicate of an ended task ended."""
FORGOTTEN: Final = 300
"""Seconds of block time after which a deal that the chain dropped is awaited no longer."""

FAILED_UPLOADS: Final = (
    Status.RESULT_UPLOAD_FAILED,
    Status.RESULT_UPLOAD_REQUEST_FAILED,
    Status.RESULT_UPLOADED,
)
"""Ends of uploads that gave no result, as long as none is stored: claimed ones included."""
_UPLOADING: Final = (Status.RESULT_UPLOAD_REQUESTED, Status.RESULT_UPLOADING)
TASKS_FAULT: Final = (
    Status.APP_DOWNLOAD_FAILED,
    Status.DATA_DOWNLOAD_FAILED,
    Status.COMPUTE_FAILED,
)
"""Failures that may be the app's as well as the worker's."""


def verdict(task: Task, attempt: Attempt) -> Status | None:
    """Tell how the chain has ended a replicate; None while it is open."""
    contribution = task.contribution(attempt.worker)
    match task.chain_status:
        case ChainTaskStatus.FAILED:
            return Status.FAILED
        case ChainTaskStatus.COMPLETED:
            return _verdict_of_completed(contribution, agrees=task.agrees(attempt.worker))
        case ChainTaskStatus.REVEALING:
            return _verdict_while_revealing(task, contribution, agrees=task.agrees(attempt.worker))
        case _ if is_dropped(task):
            return Status.FAILED
        case _:
            return _verdict_while_contributing(task, contribution)


def _verdict_of_completed(contribution: ContributionStatus, *, agrees: bool) -> Status:
    if contribution is ContributionStatus.PROVED:
        return Status.COMPLETED
    return Status.REVEAL_TIMEOUT if agrees else Status.ABORTED_ON_CONSENSUS_REACHED


def _verdict_while_contributing(task: Task, contribution: ContributionStatus) -> Status | None:
    if contribution is ContributionStatus.REJECTED:
        return Status.REVEAL_TIMEOUT
    late = task.now >= task.facts.contribution_deadline
    if late and contribution is ContributionStatus.UNSET:
        return Status.ABORTED_ON_CONTRIBUTION_TIMEOUT
    return None


def _verdict_while_revealing(
    task: Task, contribution: ContributionStatus, *, agrees: bool
) -> Status | None:
    if not agrees:  # who has staked on another result stays: after a reopening it may win
        at_stake = contribution is ContributionStatus.CONTRIBUTED
        return None if at_stake else Status.ABORTED_ON_CONSENSUS_REACHED
    late = task.view is not None and task.now >= task.view.reveal_deadline
    if late and contribution is ContributionStatus.CONTRIBUTED:
        return Status.REVEAL_TIMEOUT
    return None


def is_overdue(task: Task, attempt: Attempt) -> bool:
    """Whether the chain ended a task so long ago that its worker will not say how it fared."""
    if task.chain_status not in (ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED):
        return False
    return task.now >= max(task.history[-1][1], attempt.heard_at) + LAST_WORD


def is_gone(task: Task) -> bool:
    """Whether the chain has neither the deal nor the task: a re-organisation took both."""
    return task.gone_since is not None and task.chain_status is ChainTaskStatus.UNSET


def is_dropped(task: Task) -> bool:
    """Whether a deal is gone for so long that nobody can count on its coming back."""
    since = task.gone_since
    return since is not None and is_gone(task) and task.now >= since + FORGOTTEN


def is_working(task: Task, attempt: Attempt) -> bool:
    """Whether a replicate may still contribute: it counts as pending weight and fills a slot."""
    return (
        attempt.live
        and not attempt.is_over
        and task.contribution(attempt.worker) is ContributionStatus.UNSET
        and verdict(task, attempt) is None
    )


def awaits_enclave(task: Task) -> bool:
    """Whether a confidential task is still offered to nobody: its enclave is not known."""
    return task.facts.tag.needs_tee and task.enclave is None


def must_ask_challenge(task: Task) -> bool:
    """Whether its enclave can be asked for: it is initialized, and somebody is to compute it."""
    is_active = task.chain_status is ChainTaskStatus.ACTIVE
    return is_active and awaits_enclave(task) and any(is_working(task, a) for a in task.attempts)


_TAKES_WORK: Final = frozenset(
    {TaskStatus.RECEIVED, TaskStatus.INITIALIZING, TaskStatus.INITIALIZED, TaskStatus.RUNNING}
)


def unattended_since(task: Task) -> UnixSeconds | None:
    """Tell since when no worker is at a task that waits for contributions (block time).

    Returns:
        None where a worker that is there holds it, or where it takes no contribution.
    """
    if task.status not in _TAKES_WORK or any(a.live and not a.is_over for a in task.attempts):
        return None
    return max([task.history[-1][1], *map(_left_at, task.attempts)])


def _left_at(attempt: Attempt) -> UnixSeconds:
    """Return when a replicate ended or was lost, by our clock: a worker's own decides nothing."""
    is_workers_word = len(attempt.log) - 1 in attempt.told
    return attempt.heard_at if is_workers_word else attempt.log[-1].at


def replicates_needed(
    task: Task, newcomer: Weight, is_counted_on: Callable[[Attempt], bool] | None = None
) -> int:
    """Count further workers of a weight that can still matter to this task; 0 when it is closed.

    Args:
        task: The task.
        newcomer: The weight.
        is_counted_on: Of those that may still contribute; None: who has been at it for no longer
            than a period of the category.
    """
    return replicates_missing(task, newcomer, is_counted_on) if is_open(task) else 0


def replicates_missing(
    task: Task, newcomer: Weight, is_counted_on: Callable[[Attempt], bool] | None = None
) -> int:
    """Count the same for a task that is known to be open."""
    since = task.now - task.facts.period
    counts = is_counted_on or (lambda attempt: attempt.log[0].at > since)
    pending = [a.weight for a in task.attempts if is_working(task, a) and counts(a)]
    if task.flow is Flow.CONTRIBUTE_AND_FINALIZE:
        return 0 if pending else 1
    return contributions_needed(task.facts.trust, _groups(task), pending, newcomer)


def is_open(task: Task) -> bool:
    """Whether a further contribution could still be taken, now or after a reopening in time."""
    takes = task.chain_status in (ChainTaskStatus.UNSET, ChainTaskStatus.ACTIVE)
    in_time = task.now < task.facts.contribution_deadline
    held_back = is_given_up(task) or is_settling(task) or is_gone(task)
    return takes and in_time and not held_back


def is_settling(task: Task) -> bool:
    """Whether a re-organised chain took the task's end back only just now.

    The transaction that ended it is usually mined again within a block or two, so nobody else is
    given the task meanwhile.
    """
    moments = [at for (before, _), (_, at) in pairwise(task.history) if before in FINAL_TASK]
    return (
        bool(moments)
        and task.status not in FINAL_TASK
        and task.now < moments[-1] + AWAITED_AFTER_FORK
    )


def _groups(task: Task) -> dict[bytes, int]:
    """Weigh the contributions that count on chain, by result hash."""
    members: defaultdict[bytes, list[Weight]] = defaultdict(list)
    for attempt in task.attempts:
        if task.contribution(attempt.worker) is ContributionStatus.CONTRIBUTED and task.view:
            members[task.view.contributions[attempt.worker].result_hash].append(attempt.weight)
    return {value: group_weight(weights) for value, weights in members.items()}


def is_given_up(task: Task) -> bool:
    """Whether the task failed on so many workers that trying more would only burn them.

    The word of those who have proved nothing weighs less: strangers cannot end a task together.
    """
    failed = [a for a in task.attempts if a.count(*TASKS_FAULT)]
    if not failed:
        return False
    weight = sum(NEWCOMERS_PER_PROVED if a.proved else 1 for a in failed)
    most = newcomers_needed(task.facts.trust) + SPARE_FAILURES
    return weight >= most * NEWCOMERS_PER_PROVED


def uploader(task: Task) -> Address | None:
    """Choose who should upload: a present worker that proved, with the fewest failed uploads.

    Silence counts like a failure; of equals, another has its turn each time.
    """
    if task.stored is not None or task.flow is not Flow.STANDARD or task.view is None:
        return None
    if task.claim is not None:
        return None  # it is being checked
    proved = [
        a
        for a in task.attempts
        if a.live and not a.is_over and task.contribution(a.worker) is ContributionStatus.PROVED
    ]
    busy = next((a for a in proved if a.status in _UPLOADING and not _silence(task, a)), None)
    if busy is not None or not proved:
        return busy.worker if busy else None
    ranks = {a.worker: _reluctance(task, a) for a in proved}
    least = min(ranks.values())
    equals = [a for a in proved if ranks[a.worker] == least]
    best = equals[least % len(equals)]
    pause = UPLOAD_PAUSE * best.count(*FAILED_UPLOADS)
    return best.worker if task.now >= best.heard_at + pause else None


def _reluctance(task: Task, attempt: Attempt) -> int:
    failures, silence = attempt.count(*FAILED_UPLOADS), _silence(task, attempt)
    return failures + silence + (attempt.status in _UPLOADING)


def _silence(task: Task, attempt: Attempt) -> int:
    """Count how often the time to wait has passed since a worker was heard."""
    return (task.now - attempt.heard_at) // UPLOAD_SILENCE


def is_proved_result(task: Task, stored: Stored) -> bool:
    """Whether a result that a worker told of is the one that the chain will pay for.

    Its teller must have proved it; else any worker could put a false link on chain, or callback
    data with which ``finalize`` fails for ever. In the quick flow the worker itself puts the link
    on chain, so there the telling only serves the display.
    """
    if task.flow is not Flow.STANDARD:
        return task.attempt(stored.worker) is not None
    proved = task.contribution(stored.worker) is ContributionStatus.PROVED
    known = task.view is not None and task.view.digest == stored.digest
    data = stored.callback_data
    return proved and known and (not data or keccak(data) == stored.digest)


def can_finalize(task: Task) -> bool:
    """Apply the contract's guard of ``finalize`` (PoCo 6.x, IexecPoco2Facet.finalize)."""
    view = task.view
    if view is None or task.now >= task.facts.final_deadline or view.reveal_counter == 0:
        return False
    return view.reveal_counter == view.winner_counter or task.now >= view.reveal_deadline


def must_reopen(task: Task) -> bool:
    """Apply the contract's guard of ``reopen``: consensus, but nobody revealed in time.

    Past the deadline to contribute a reopened task could only wait to be claimed, so it is left.
    """
    return _is_unrevealed(task) and task.now < task.facts.contribution_deadline


def _is_unrevealed(task: Task) -> bool:
    view = task.view
    return (
        view is not None
        and view.status is ChainTaskStatus.REVEALING
        and view.reveal_counter == 0
        and task.now >= view.reveal_deadline
    )


def phase(task: Task) -> TaskStatus:
    """Name where the task stands."""
    chain = task.chain_status
    if chain is ChainTaskStatus.COMPLETED:
        return TaskStatus.COMPLETED
    if chain is ChainTaskStatus.FAILED or is_dropped(task):
        return TaskStatus.FAILED
    if task.now >= task.facts.final_deadline:
        return TaskStatus.FINAL_DEADLINE_REACHED
    return _revealing(task) if chain is ChainTaskStatus.REVEALING else _computing(task)


def _computing(task: Task) -> TaskStatus:
    if task.now >= task.facts.contribution_deadline:
        return TaskStatus.CONTRIBUTION_TIMEOUT
    if is_given_up(task):
        return TaskStatus.RUNNING_FAILED
    if task.chain_status is ChainTaskStatus.UNSET:
        return TaskStatus.INITIALIZING if task.attempts else TaskStatus.RECEIVED
    return TaskStatus.RUNNING if task.attempts else TaskStatus.INITIALIZED


def _revealing(task: Task) -> TaskStatus:
    if must_reopen(task):
        return TaskStatus.REOPENING
    if _is_unrevealed(task):
        return TaskStatus.CONTRIBUTION_TIMEOUT
    assert task.view is not None
    if task.view.reveal_counter == 0:
        return TaskStatus.CONSENSUS_REACHED
    if task.stored is not None:
        return TaskStatus.FINALIZING if can_finalize(task) else TaskStatus.RESULT_UPLOADED
    uploading = task.claim is not None or any(a.status in _UPLOADING for a in task.attempts)
    return TaskStatus.RESULT_UPLOADING if uploading else TaskStatus.AT_LEAST_ONE_REVEALED
