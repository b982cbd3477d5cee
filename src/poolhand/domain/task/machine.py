"""The scheduler's machine: events in, wanted effects out.

``outstanding`` compares what should be with what is and names every effect that would close the
gap; ``step`` returns those an event has newly made outstanding. Each effect may be repeated without
harm: hands look at the chain before they act, workers ignore what they have done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import reduce
from typing import Final, TypeAlias, assert_never

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.ids import Address, ResultHash
from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus, TaskView
from poolhand.domain.replicate.machine import Entry
from poolhand.domain.replicate.status import EDGES, FINAL, Status
from poolhand.domain.task.model import Attempt, Refusal, Stored, Task, TaskFacts
from poolhand.domain.task.rules import can_finalize, must_reopen, phase, uploader, verdict
from poolhand.domain.task.status import FINAL_TASK, TASK_EDGES
from poolhand.domain.trust import Weight
from poolhand.domain.units import UnixSeconds

RETRY_SECONDS: Final = 5
"""Pause after a refused transaction, times the number of refusals."""


# ------------------------------------------------------------------------------------------ events


@dataclass(frozen=True, slots=True)
class Received:
    """A deal of ours holds this task."""

    at: UnixSeconds
    facts: TaskFacts


@dataclass(frozen=True, slots=True)
class Assigned:
    """A worker gets a replicate; ``weight`` is from its score on chain."""

    at: UnixSeconds
    worker: Address
    weight: Weight


@dataclass(frozen=True, slots=True)
class Reported:
    """A worker tells entries of its history, the first of which has number ``first``."""

    at: UnixSeconds
    worker: Address
    first: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A worker tells where the result is stored."""

    at: UnixSeconds
    stored: Stored


@dataclass(frozen=True, slots=True)
class Viewed:
    """The chain as it stood at a block; replaces what was known before."""

    at: UnixSeconds
    view: TaskView


@dataclass(frozen=True, slots=True)
class Lost:
    """A worker's lease ran out."""

    at: UnixSeconds
    worker: Address


@dataclass(frozen=True, slots=True)
class Found:
    """A worker is back."""

    at: UnixSeconds
    worker: Address


@dataclass(frozen=True, slots=True)
class Misbehaved:
    """A worker broke the protocol: its attempt is over."""

    at: UnixSeconds
    worker: Address
    cause: str


@dataclass(frozen=True, slots=True)
class CallRefused:
    """A transaction of ours (``initialize``, ``finalize``, ``reopen``, ``claim``) was refused."""

    at: UnixSeconds
    kind: str
    cause: str


@dataclass(frozen=True, slots=True)
class Ticked:
    """Block time went on."""

    at: UnixSeconds


Event: TypeAlias = (
    Received
    | Assigned
    | Reported
    | Uploaded
    | Viewed
    | Lost
    | Found
    | Misbehaved
    | CallRefused
    | Ticked
)

# ----------------------------------------------------------------------------------------- effects


@dataclass(frozen=True, slots=True)
class SendInitialize:
    """Initialize the task on chain. ``tried`` counts refusals before."""

    tried: int


@dataclass(frozen=True, slots=True)
class SendFinalize:
    """Finalize the task on chain with the stored result."""

    stored: Stored
    tried: int


@dataclass(frozen=True, slots=True)
class SendReopen:
    """Reopen the task on chain."""

    tried: int


@dataclass(frozen=True, slots=True)
class SendClaim:
    """Claim the task on chain: everybody is refunded."""

    tried: int


@dataclass(frozen=True, slots=True)
class TellOffer:
    """Offer the task to a worker."""

    worker: Address


@dataclass(frozen=True, slots=True)
class TellActivated:
    """Tell a worker that the task is initialized."""

    worker: Address


@dataclass(frozen=True, slots=True)
class TellReveal:
    """Ask a worker to reveal."""

    worker: Address
    consensus: ResultHash


@dataclass(frozen=True, slots=True)
class TellUpload:
    """Ask a worker for the result. ``tried`` counts its failures before."""

    worker: Address
    tried: int


@dataclass(frozen=True, slots=True)
class TellEnd:
    """Tell a worker how its replicate ended."""

    worker: Address
    status: Status


Effect: TypeAlias = (
    SendInitialize
    | SendFinalize
    | SendReopen
    | SendClaim
    | TellOffer
    | TellActivated
    | TellReveal
    | TellUpload
    | TellEnd
)


def receive(event: Received) -> Task:
    """Begin a task."""
    return _settle(Task(event.facts, event.at))


def step(task: Task, event: Event) -> tuple[Task, tuple[Effect, ...]]:
    """Apply one event; return the next task and the effects that it newly calls for.

    Raises:
        IllegalTransition: A worker reported a move that ``EDGES`` does not have; nothing changed.
    """
    after = _apply(task, event)
    if after is task:
        return task, ()
    before = frozenset(outstanding(task))
    return after, tuple(effect for effect in outstanding(after) if effect not in before)


def replay(journal: Iterable[Event]) -> Task:
    """Fold a journal that begins with ``Received``."""
    events = iter(journal)
    first = next(events)
    assert isinstance(first, Received)
    return reduce(_apply, events, receive(first))


def outstanding(task: Task) -> tuple[Effect, ...]:
    """Return every effect that is wanted now."""
    return (*_transactions(task), *(e for a in task.attempts for e in _messages(task, a)))


def _apply(task: Task, event: Event) -> Task:
    if isinstance(event, Received) or (task.status in FINAL_TASK and isinstance(event, Ticked)):
        return task
    changed = _change(task, event)
    if changed == task and event.at <= task.now:
        return task
    return _settle(replace(changed, now=max(task.now, event.at)))


def _change(task: Task, event: Event) -> Task:
    match event:
        case Viewed() | Ticked() | Uploaded() | CallRefused():
            return _hear(task, event)
        case Assigned(at, worker, weight):
            if task.attempt(worker) is not None:
                return task
            return task.with_attempt(Attempt(worker, weight, (Entry(Status.CREATED, at),)))
        case Reported() | Lost() | Found() | Misbehaved():
            attempt = task.attempt(event.worker)
            return task if attempt is None else task.with_attempt(_follow(attempt, event))
        case Received():
            return task
    assert_never(event)


def _hear(task: Task, event: Viewed | Ticked | Uploaded | CallRefused) -> Task:
    match event:
        case Viewed(_, view):
            over = task.status in FINAL_TASK
            older = task.view is not None and view.block < task.view.block
            return task if over or older else replace(task, view=view)
        case Ticked():
            return task
        case Uploaded(_, stored):
            known = task.attempt(stored.worker) is not None and task.stored is None
            return replace(task, stored=stored) if known else task
        case CallRefused(at, kind, cause):
            return _refuse(task, kind, at, cause)
    assert_never(event)


def _refuse(task: Task, kind: str, at: UnixSeconds, cause: str) -> Task:
    known = task.refusal(kind)
    times = known.times + 1 if known else 1
    refusal = Refusal(kind, times, UnixSeconds(at + RETRY_SECONDS * times), cause)
    others = tuple(each for each in task.refusals if each.kind != kind)
    return replace(task, refusals=(*others, refusal))


def _follow(attempt: Attempt, event: Reported | Lost | Found | Misbehaved) -> Attempt:
    match event:
        case Reported():
            return _record(attempt, event)
        case Lost(at):
            lost = replace(attempt, live=False)
            known = Status.WORKER_LOST not in EDGES[lost.status]
            return lost if known else lost.enter(Entry(Status.WORKER_LOST, at))
        case Found():
            return replace(attempt, live=True)
        case Misbehaved(at, _, cause):
            return attempt if attempt.is_over else attempt.enter(Entry(Status.FAILED, at, cause))
    assert_never(event)


_NOT_A_WORKERS: Final = frozenset({Status.CREATED, Status.WORKER_LOST})
"""Statuses that only the scheduler can know."""


def _record(attempt: Attempt, event: Reported) -> Attempt:
    """Store what is new in a report; repeats change nothing, gaps are refused."""
    if event.first > attempt.reports:
        raise IllegalTransition(f"entry {attempt.reports}", f"entry {event.first}")
    fresh = event.entries[attempt.reports - event.first :]
    for entry in fresh:
        if not attempt.is_over:
            if entry.status not in EDGES[attempt.status] - _NOT_A_WORKERS:
                raise IllegalTransition(attempt.status, entry.status)
            attempt = attempt.enter(entry)
    return replace(attempt, reports=attempt.reports + len(fresh), live=True)


def _settle(task: Task) -> Task:
    """Close attempts of absent workers that the chain has decided, and name the new status."""
    for attempt in task.attempts:
        end = verdict(task, attempt)
        if end and not attempt.is_over and not attempt.live and end in EDGES[attempt.status]:
            task = task.with_attempt(attempt.enter(Entry(end, task.now)))
    status = phase(task)
    if task.history and status is task.status:
        return task
    if task.history and status not in TASK_EDGES[task.status]:
        return task
    return replace(task, history=(*task.history, (status, task.now)))


def _transactions(task: Task) -> Iterator[Effect]:
    """Yield the transactions that are wanted and need not wait after a refusal."""
    for kind, make in _wanted_calls(task):
        refusal = task.refusal(kind)
        if refusal is None or task.now >= refusal.not_before:
            yield make(refusal.times if refusal else 0)


def _wanted_calls(task: Task) -> Iterator[tuple[str, Callable[[int], Effect]]]:
    chain, facts = task.chain_status, task.facts
    if chain is ChainTaskStatus.UNSET and task.attempts and task.view is not None:
        if task.now < facts.contribution_deadline:
            yield "initialize", SendInitialize
        return
    stored = task.stored
    if chain is ChainTaskStatus.REVEALING and stored is not None and can_finalize(task):
        yield "finalize", lambda tried: SendFinalize(stored, tried)
    if must_reopen(task):
        yield "reopen", SendReopen
    is_open = chain in (ChainTaskStatus.ACTIVE, ChainTaskStatus.REVEALING)
    if is_open and task.now >= facts.final_deadline:
        yield "claim", SendClaim


_BEFORE_CHECK: Final = frozenset(
    {
        Status.RUNNING,
        Status.APP_DOWNLOADING,
        Status.APP_DOWNLOADED,
        Status.DATA_DOWNLOADING,
        Status.DATA_DOWNLOADED,
        Status.COMPUTING,
        Status.COMPUTED,
        Status.RESULT_UPLOADING,
        Status.RESULT_UPLOADED,
        Status.RECOVERING,
    }
)
_MAY_UPLOAD: Final = frozenset(
    {
        Status.REVEALED,
        Status.RESULT_UPLOAD_FAILED,
        Status.RESULT_UPLOAD_REQUEST_FAILED,
        Status.RESULT_UPLOADED,
    }
)


def _messages(task: Task, attempt: Attempt) -> Iterator[Effect]:
    """Yield what a worker that is there should be told."""
    if not attempt.live or attempt.is_over:
        return
    worker, status = attempt.worker, attempt.status
    end = verdict(task, attempt)
    if end is not None:
        yield TellEnd(worker, end)
        return
    if attempt.reports == 0:
        yield TellOffer(worker)
    if task.chain_status is ChainTaskStatus.ACTIVE and status in _BEFORE_CHECK:
        yield TellActivated(worker)
    contributed = task.contribution(worker) is ContributionStatus.CONTRIBUTED
    if task.chain_status is ChainTaskStatus.REVEALING and contributed and task.view:
        yield TellReveal(worker, task.view.consensus)
    if status in _MAY_UPLOAD and uploader(task) == worker:
        failures = (Status.RESULT_UPLOAD_FAILED, Status.RESULT_UPLOAD_REQUEST_FAILED)
        yield TellUpload(worker, attempt.count(*failures))


def is_settled(task: Task) -> bool:
    """Whether the chain has closed the task and every attempt's end is recorded."""
    return task.status in FINAL_TASK and all(a.status in FINAL for a in task.attempts)
