"""A task's story: what of it the hub's events tell, and how long each stage of a replicate took."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

from poolhand.domain.ids import Address, ResultHash, TxHash
from poolhand.domain.onchain import EventKind, HubEvent
from poolhand.domain.replicate.status import FAILURES, STATUSES, Party, Status
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import BlockNumber, Seconds

OWN_FAULTS: Final = FAILURES | {Status.REVEAL_FAILED, Status.RESULT_UPLOAD_FAILED}
"""Statuses whose FAILED is the worker's own doing, which they explain."""
CLAIMED: Final = replace(
    STATUSES[Status.FAILED],
    meaning="the task was claimed after its final deadline",
    acts=Party.NOBODY,
    next_step="the workers' stakes and the requester's price are given back",
)
"""What FAILED means of a replicate that a claim has ended."""
DROPPED: Final = replace(
    STATUSES[Status.FAILED],
    meaning="the chain dropped the task's deal in a re-organisation",
    acts=Party.NOBODY,
    next_step="nothing is staked and nobody has paid; the requester may buy again",
)
"""What FAILED means of a replicate whose deal is gone."""
_ENDS_OF_ROUND: Final = (EventKind.TASK_REOPEN, EventKind.TASK_FINALIZE, EventKind.TASK_CLAIMED)


@dataclass(frozen=True, slots=True)
class Decision:
    """The event that decided how a replicate ended.

    ``worker`` is whose contribution it took, ``result_hash`` the consensus; None where neither
    matters (a reopening, a claim, a finalization by the pool).
    """

    event: HubEvent
    worker: Address | None = None
    result_hash: ResultHash | None = None


def block_of(tx: TxHash | None, events: Iterable[HubEvent]) -> BlockNumber | None:
    """Return the block of a transaction; None when none of the events is of it."""
    return next((event.block for event in events if event.tx_hash == tx), None)


def durations(attempt: Attempt) -> tuple[Seconds | None, ...]:
    """Return how long each entry of the log lasted until the next.

    None for the last one, and where it cannot be known: two entries of different clocks (ours is
    the chain's, the worker has its own), or a clock that was put back.
    """
    found: list[Seconds | None] = []
    for place, (entry, following) in enumerate(pairwise(attempt.log)):
        same_clock = (place in attempt.told) == (place + 1 in attempt.told)
        took = following.at - entry.at
        found.append(Seconds(took) if same_clock and took >= 0 else None)
    return (*found, None)


def decision(task: Task, attempt: Attempt, events: Sequence[HubEvent]) -> Decision | None:
    """Return what on chain decided an ended replicate.

    None while it is open, when its worker failed by itself, and when a deadline decided: the
    passing of time is no event.
    """
    choose = _CHOICES.get(attempt.status)
    event = choose(task, attempt, events) if choose else None
    if event is None:
        return None
    if event.kind is EventKind.TASK_CONSENSUS:
        return Decision(event, contributor(event.tx_hash, events), event.result_hash)
    if event.kind is EventKind.TASK_FINALIZE:
        return Decision(event, contributor(event.tx_hash, events), _last_consensus(events))
    return Decision(event)


def contributor(tx: TxHash, events: Iterable[HubEvent]) -> Address | None:
    """Return the worker that contributed by a transaction."""
    kind = EventKind.TASK_CONTRIBUTE
    return next((e.worker for e in events if e.tx_hash == tx and e.kind is kind), None)


def _last(events: Iterable[HubEvent], kind: EventKind) -> HubEvent | None:
    found = [event for event in events if event.kind is kind]
    return found[-1] if found else None


def _last_consensus(events: Iterable[HubEvent]) -> ResultHash | None:
    found = _last(events, EventKind.TASK_CONSENSUS)
    return found.result_hash if found else None


def _completion(_task: Task, _attempt: Attempt, events: Sequence[HubEvent]) -> HubEvent | None:
    return _last(events, EventKind.TASK_FINALIZE)


def _others_consensus(task: Task, attempt: Attempt, events: Sequence[HubEvent]) -> HubEvent | None:
    """Return the consensus that left a replicate behind.

    Who had contributed waits for the last one; who had not is sent away by the first that comes
    after its creation.
    """
    rounds = [event for event in events if event.kind is EventKind.TASK_CONSENSUS]
    if not rounds:
        return None
    if _contribution(attempt.worker, events) is not None:
        return rounds[-1]
    born = attempt.log[0].at
    before = sum(at <= born for status, at in task.history if status is TaskStatus.REOPENING)
    return rounds[min(before, len(rounds) - 1)]


def _missed_reveal(_task: Task, attempt: Attempt, events: Sequence[HubEvent]) -> HubEvent | None:
    """Return what closed the round whose consensus a worker was part of."""
    own = _contribution(attempt.worker, events)
    if own is None:
        return None
    agreed = False
    for event in events:
        if event.kind is EventKind.TASK_CONSENSUS:
            agreed = event.result_hash == own.result_hash
        elif event.kind in _ENDS_OF_ROUND and agreed:
            return event
    return None


def _claim(_task: Task, attempt: Attempt, events: Sequence[HubEvent]) -> HubEvent | None:
    place = len(attempt.log) - 1
    refused = place not in attempt.told and attempt.log[place].detail is not None
    own_fault = any(entry.status in OWN_FAULTS for entry in attempt.log[-2:-1])
    return None if refused or own_fault else _last(events, EventKind.TASK_CLAIMED)


def _contribution(worker: Address, events: Iterable[HubEvent]) -> HubEvent | None:
    mine = (event for event in events if event.worker == worker)
    return next((event for event in mine if event.kind is EventKind.TASK_CONTRIBUTE), None)


_CHOICES: Final[dict[Status, Callable[[Task, Attempt, Sequence[HubEvent]], HubEvent | None]]] = {
    Status.COMPLETED: _completion,
    Status.ABORTED_ON_CONSENSUS_REACHED: _others_consensus,
    Status.REVEAL_TIMEOUT: _missed_reveal,
    Status.FAILED: _claim,
}
