"""What the chain tells of a task: how it stands, what each worker did, who must act and how. Pure.

Told from the hub's events alone, so it is true of any pool, and of one that is gone.

Source: PoCo 6.x, IexecPoco2Facet (initialize, contribute, reveal, reopen, finalize, claim).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from poolhand.domain.category import REVEAL_RATIO, Category
from poolhand.domain.ids import Address, ResultHash, TaskId, TxHash
from poolhand.domain.market_events import StakeChange
from poolhand.domain.onchain import EventKind
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds


class TaskStanding(StrEnum):
    """How a task stands on chain; ``OVERDUE`` can only be claimed any more."""

    WAITING = "waiting"
    COMPUTING = "computing"
    REVEALING = "revealing"
    COMPLETED = "completed"
    OVERDUE = "overdue"
    CLAIMED = "claimed"


@dataclass(frozen=True, slots=True)
class TaskStep:
    """An event of a task, when its block was made, and by whom."""

    kind: EventKind
    moment: UnixSeconds
    block: BlockNumber
    tx_hash: TxHash
    party: Address | None = None
    result_hash: ResultHash | None = None


@dataclass(frozen=True, slots=True)
class StakeStep:
    """What somebody was paid for a task, or lost by it (nRLC)."""

    change: StakeChange
    owner: Address
    amount: NanoRlc
    moment: UnixSeconds
    block: BlockNumber
    tx_hash: TxHash
    task_id: TaskId | None


@dataclass(frozen=True, slots=True)
class WorkerStory:
    """One worker's part in a task.

    Attributes:
        agrees: Whether its result is the one that was agreed on; None: nothing is yet.
        reopened: Whether the task was opened again after it had agreed and did not reveal.
    """

    worker: Address
    contributed: TaskStep
    revealed: TaskStep | None
    agrees: bool | None
    reopened: bool


@dataclass(frozen=True, slots=True)
class TaskStory:
    """A task as the chain tells it.

    Attributes:
        words: What happened, who must act and how.
        reveal_deadline: None: nothing is to be revealed.
    """

    standing: TaskStanding
    words: str
    workers: tuple[WorkerStory, ...]
    contribution_deadline: UnixSeconds
    reveal_deadline: UnixSeconds | None
    final_deadline: UnixSeconds


def task_story(
    name: TaskId,
    steps: Sequence[TaskStep],
    start: UnixSeconds,
    category: Category,
    now: UnixSeconds,
) -> TaskStory:
    """Tell a task.

    Args:
        name: Whose story it is.
        steps: Its events, in order.
        start: When its deal was made.
        category: Of its deal.
        now: The newest block's time.
    """
    agreed = _agreed(steps)
    workers = tuple(_workers(steps, agreed))
    reveal_by = UnixSeconds(agreed.moment + REVEAL_RATIO * category.time_ref) if agreed else None
    ends = category.contribution_deadline(start), category.final_deadline(start)
    standing = _standing(steps, agreed, ends[1], now)
    words = _words(name, standing, workers, ends, reveal_by, now)
    return TaskStory(standing, words, workers, ends[0], reveal_by, ends[1])


def _agreed(steps: Iterable[TaskStep]) -> TaskStep | None:
    """Return the consensus that holds; a reopening ends one."""
    found = None
    for step in steps:
        if step.kind is EventKind.TASK_CONSENSUS:
            found = step
        elif step.kind is EventKind.TASK_REOPEN:
            found = None
    return found


def _workers(steps: Sequence[TaskStep], agreed: TaskStep | None) -> Iterable[WorkerStory]:
    reveals = {step.party: step for step in steps if step.kind is EventKind.TASK_REVEAL}
    dropped = set(_dropped(steps))
    for step in steps:
        if step.kind is EventKind.TASK_CONTRIBUTE and step.party is not None:
            agrees = None if agreed is None else step.result_hash == agreed.result_hash
            is_dropped = step.result_hash in dropped
            revealed = reveals.get(step.party)
            yield WorkerStory(step.party, step, revealed, agrees, is_dropped)


def _dropped(steps: Iterable[TaskStep]) -> Iterable[ResultHash]:
    """Yield the results that were agreed on and that nobody revealed."""
    agreed: ResultHash | None = None
    for step in steps:
        if step.kind is EventKind.TASK_CONSENSUS:
            agreed = step.result_hash
        elif step.kind is EventKind.TASK_REOPEN and agreed is not None:
            yield agreed


def _standing(
    steps: Sequence[TaskStep], agreed: TaskStep | None, final: UnixSeconds, now: UnixSeconds
) -> TaskStanding:
    kinds = {step.kind for step in steps}
    if EventKind.TASK_FINALIZE in kinds:
        return TaskStanding.COMPLETED
    if EventKind.TASK_CLAIMED in kinds:
        return TaskStanding.CLAIMED
    if now >= final:
        return TaskStanding.OVERDUE
    if EventKind.TASK_INITIALIZE not in kinds:
        return TaskStanding.WAITING
    return TaskStanding.REVEALING if agreed else TaskStanding.COMPUTING


def _words(
    name: TaskId,
    standing: TaskStanding,
    workers: Sequence[WorkerStory],
    ends: tuple[UnixSeconds, UnixSeconds],
    reveal_by: UnixSeconds | None,
    now: UnixSeconds,
) -> str:
    match standing:
        case TaskStanding.COMPLETED:
            return "The result is on chain, everybody is paid and every stake is free again."
        case TaskStanding.CLAIMED:
            return (
                f"It failed: {_why(workers)}. The requester has its money back, and the pool's "
                "owner lost its stake for this task. Nobody has to act; to try again, buy again."
            )
        case TaskStanding.OVERDUE:
            return (
                f"It failed: {_why(workers)}. Anybody can now claim it, and the requester has its "
                f"money back: `poolhand task claim {name}`."
            )
        case TaskStanding.REVEALING:
            return _of_reveals(workers, reveal_by, now)
        case _:
            return _of_contributions(name, standing, workers, ends[0], now)


def _why(workers: Sequence[WorkerStory]) -> str:
    if not workers:
        return "no worker of the pool brought a result in time"
    if not any(each.agrees or each.reopened for each in workers):
        return "the workers' results did not agree, or were too few for the trust that was asked"
    if not any(each.revealed for each in workers):
        return "no worker revealed the result that was agreed on"
    return "the pool did not finalize it in time"


def _of_reveals(
    workers: Sequence[WorkerStory], reveal_by: UnixSeconds | None, now: UnixSeconds
) -> str:
    winners = [each for each in workers if each.agrees]
    missing = sum(each.revealed is None for each in winners)
    is_late = reveal_by is not None and now >= reveal_by
    if not missing or (is_late and missing < len(winners)):
        return "The result is revealed: the pool stores it and finalizes the task."
    if is_late:
        return "Nobody revealed in time: the pool opens the task again for other workers."
    return f"The workers agree: {missing} of {len(winners)} must still reveal what they computed."


def _of_contributions(
    name: TaskId,
    standing: TaskStanding,
    workers: Sequence[WorkerStory],
    contribute_by: UnixSeconds,
    now: UnixSeconds,
) -> str:
    if now >= contribute_by:
        return (
            "The time for results is over and none was agreed on: wait for the last deadline, then "
            f"claim it, and the requester has its money back: `poolhand task claim {name}`."
        )
    if standing is TaskStanding.WAITING:
        return "It is bought and waits: the pool has to initialize it."
    if not workers:
        return "The pool's workers compute it: none has brought a result yet."
    return f"{len(workers)} brought a result; the pool asks more workers until enough agree."
