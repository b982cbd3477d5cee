"""The scheduler's machine: events in, wanted effects out.

``outstanding`` compares what should be with what is and names every effect that would close the
gap; ``step`` returns those an event has newly made outstanding. Each effect may be repeated without
harm: transactions look at the chain before they are sent, workers ignore what they have done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import reduce
from typing import Final, assert_never

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.status import EDGES, FINAL, Status
from poolhand.domain.task.events import (
    AskChallenge,
    Assigned,
    CallRefused,
    Challenged,
    CheckResult,
    DealBack,
    DealGone,
    Doubted,
    Found,
    Lost,
    Mined,
    Misbehaved,
    Received,
    Reported,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
    TaskMachineEffect,
    TaskMachineEvent,
    TellActivated,
    TellEnd,
    TellOffer,
    TellReveal,
    TellUpload,
    Ticked,
    Unmined,
    Uploaded,
    Viewed,
)
from poolhand.domain.task.model import Attempt, Refusal, Task, Transaction
from poolhand.domain.task.rules import (
    awaits_enclave,
    can_finalize,
    is_gone,
    is_overdue,
    is_proved_result,
    must_ask_challenge,
    must_reopen,
    phase,
    verdict,
)
from poolhand.domain.task.status import FINAL_TASK, TAKEN_BACK, TASK_EDGES
from poolhand.domain.task.tidings import tidings
from poolhand.domain.units import UnixSeconds

__all__ = [
    "PAUSE_AFTER_REFUSAL",
    "AskChallenge",
    "Assigned",
    "CallRefused",
    "Challenged",
    "CheckResult",
    "DealBack",
    "DealGone",
    "Doubted",
    "Found",
    "Lost",
    "Mined",
    "Misbehaved",
    "Received",
    "Reported",
    "SendClaim",
    "SendFinalize",
    "SendInitialize",
    "SendReopen",
    "TaskMachineEffect",
    "TaskMachineEvent",
    "TellActivated",
    "TellEnd",
    "TellOffer",
    "TellReveal",
    "TellUpload",
    "Ticked",
    "Unmined",
    "Uploaded",
    "Viewed",
    "is_settled",
    "outstanding",
    "receive",
    "replay",
    "step",
]

PAUSE_AFTER_REFUSAL: Final = 5
"""Pause after a refused transaction, times the number of refusals."""
LONGEST_PAUSE_AFTER_REFUSAL: Final = 60
"""Seconds of the longest pause: what is owed to workers must not miss its deadline by waiting."""


def receive(event: Received) -> Task:
    """Begin a task."""
    return _settle(Task(event.facts, event.at))


def step(task: Task, event: TaskMachineEvent) -> tuple[Task, tuple[TaskMachineEffect, ...]]:
    """Apply one event; return the next task and the effects that it newly calls for.

    Raises:
        IllegalTransition: A worker reported a move that ``EDGES`` does not have; nothing changed.
    """
    after = _apply(task, event)
    if after is task:
        return task, ()
    wanted = outstanding(after)
    before = frozenset(outstanding(task)) if wanted else frozenset()
    return after, tuple(effect for effect in wanted if effect not in before)


def replay(journal: Iterable[TaskMachineEvent]) -> Task:
    """Fold a journal that begins with ``Received``."""
    events = iter(journal)
    first = next(events)
    assert isinstance(first, Received)
    return reduce(_apply, events, receive(first))


def outstanding(task: Task) -> tuple[TaskMachineEffect, ...]:
    """Return every effect that is wanted now."""
    checks = () if task.claim is None or task.stored else (CheckResult(task.claim),)
    told = (effect for attempt in task.attempts for effect in tidings(task, attempt))
    asked = (AskChallenge(),) if must_ask_challenge(task) else ()
    return (*_transactions(task), *checks, *asked, *told)


def _apply(task: Task, event: TaskMachineEvent) -> Task:
    if isinstance(event, Received) or (is_settled(task) and isinstance(event, Ticked)):
        return task
    changed = _change(task, event)
    if event.at > task.now:
        changed = replace(changed, now=event.at)
    elif changed == task:
        return task
    return _settle(changed)


def _change(task: Task, event: TaskMachineEvent) -> Task:
    match event:
        case Viewed() | Ticked() | Uploaded() | Doubted() | CallRefused() | Mined() | Unmined():
            return _hear(task, event)
        case DealGone() | DealBack() | Challenged():
            return _hear_beside(task, event)
        case Assigned():
            return _assign(task, event)
        case Reported() | Lost() | Found() | Misbehaved():
            attempt = task.attempt(event.worker)
            if attempt is None:
                return task
            heard = event if event.at >= task.now else replace(event, at=task.now)
            followed = _follow(attempt, heard)
            return _take_claim(task.with_attempt(followed), attempt, event)
        case Received():
            return task
    assert_never(event)


def _hear(
    task: Task, event: Viewed | Ticked | Uploaded | Doubted | CallRefused | Mined | Unmined
) -> Task:
    match event:
        case Uploaded() | Doubted():
            return _hear_of_result(task, event)
        case Viewed(_, view):
            older = task.view is not None and view.block < task.view.block
            return task if older else replace(task, view=view)
        case Ticked():
            return task
        case CallRefused(at, kind, cause):
            return _refuse(task, kind, at, cause)
        case Mined(_, transaction):
            return _note(task, transaction)
        case Unmined(_, tx):
            known = next((each for each in task.transactions if each.tx == tx), None)
            return _note(task, replace(known, block=None)) if known else task
    assert_never(event)


def _hear_of_result(task: Task, event: Uploaded | Doubted) -> Task:
    """Take what became of a claim; who claimed wrongly has failed to upload."""
    if isinstance(event, Doubted):
        is_of_it = task.claim is not None and task.claim.worker == event.worker
        return replace(task, claim=None) if is_of_it else task
    counts = task.stored is None and is_proved_result(task, event.stored)
    return replace(task, stored=event.stored if counts else task.stored, claim=None)


def _take_claim(task: Task, before: Attempt, event: Reported | Lost | Found | Misbehaved) -> Task:
    """Note what is to be checked: one claim at a time, and none that was told before."""
    if not isinstance(event, Reported) or event.claim is None:
        return task
    fresh = event.entries[max(before.reports - event.first, 0) :]
    is_news = any(entry.status is Status.RESULT_UPLOADED for entry in fresh)
    wanted = task.flow is Flow.STANDARD and task.stored is None and task.claim is None
    return replace(task, claim=event.claim) if is_news and wanted else task


def _hear_beside(task: Task, event: DealGone | DealBack | Challenged) -> Task:
    if isinstance(event, Challenged):
        return _hear_of_enclave(task, event)
    return _hear_of_deal(task, event)


def _hear_of_deal(task: Task, event: DealGone | DealBack) -> Task:
    if isinstance(event, DealBack):
        return replace(task, gone_since=None, facts=event.facts)
    return task if task.gone_since is not None else replace(task, gone_since=event.at)


def _hear_of_enclave(task: Task, event: Challenged) -> Task:
    """Take the first address told; only now is there an offer to be taken up, so time runs anew."""
    if not awaits_enclave(task):
        return task
    told = (
        a if a.reports or a.is_over else replace(a, heard_at=max(a.heard_at, event.at))
        for a in task.attempts
    )
    return replace(task, enclave=event.enclave, attempts=tuple(told))


def _assign(task: Task, event: Assigned) -> Task:
    if task.attempt(event.worker) is not None:
        return task
    at = max(task.now, event.at)  # a node that lags may tell an earlier time than the task has
    created = (Entry(Status.CREATED, at),)
    left = max(at, event.offered_at)
    attempt = Attempt(event.worker, event.weight, created, heard_at=left, proved=event.proved)
    return task.with_attempt(attempt)


def _note(task: Task, news: Transaction) -> Task:
    """Record a transaction; what it cost is not forgotten when it is mined a second time."""
    known = next((each for each in task.transactions if each.tx == news.tx), None)
    if known is None:
        return replace(task, transactions=(*task.transactions, news))
    if news.gas is None:
        news = replace(known, block=news.block)
    noted = tuple(news if each.tx == news.tx else each for each in task.transactions)
    return replace(task, transactions=noted)


def _refuse(task: Task, kind: str, at: UnixSeconds, cause: str) -> Task:
    known = task.refusal(kind)
    times = known.times + 1 if known else 1
    refusal = Refusal(
        kind,
        times,
        UnixSeconds(at + min(PAUSE_AFTER_REFUSAL * times, LONGEST_PAUSE_AFTER_REFUSAL)),
        cause,
    )
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
        case Found(at):
            return _welcome_back(replace(attempt, live=True), at)
        case Misbehaved(at, _, cause):
            return attempt if attempt.is_over else attempt.enter(Entry(Status.FAILED, at, cause))
    assert_never(event)


def _welcome_back(attempt: Attempt, at: UnixSeconds) -> Attempt:
    """Let a worker stand where it stood before it was lost; it need not tell that again."""
    if attempt.status is not Status.WORKER_LOST:
        return attempt
    former = attempt.log[-2].status
    if former not in EDGES[Status.WORKER_LOST]:
        return attempt
    back = attempt.enter(Entry(former, at, "the worker is back"))
    return replace(back, heard_at=at)


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
            attempt = attempt.hear(entry)
    if not fresh:
        return replace(attempt, live=True)
    first = event.at if attempt.taken_up_at is None else attempt.taken_up_at
    reports = attempt.reports + len(fresh)
    return replace(attempt, reports=reports, live=True, heard_at=event.at, taken_up_at=first)


def _settle(task: Task) -> Task:
    """Close attempts that the chain has decided, and name the new status.

    Of a worker that is there its own word is awaited, but not for ever.
    """
    for attempt in task.attempts:
        end = verdict(task, attempt)
        awaited = attempt.live and not is_overdue(task, attempt)
        if end and not attempt.is_over and not awaited and end in EDGES[attempt.status]:
            task = task.with_attempt(attempt.enter(Entry(end, task.now)))
    status = phase(task)
    if task.history and status is task.status:
        return task
    following = TASK_EDGES[task.status] | TAKEN_BACK.get(task.status, frozenset())
    if task.history and status not in following:
        return task
    return replace(task, history=(*task.history, (status, task.now)))


def _transactions(task: Task) -> Iterator[TaskMachineEffect]:
    """Yield the transactions that are wanted and need not wait after a refusal."""
    for kind, make in _wanted_calls(task):
        refusal = task.refusal(kind)
        if refusal is None or task.now >= refusal.not_before:
            yield make(refusal.times if refusal else 0)


def _wanted_calls(task: Task) -> Iterator[tuple[str, Callable[[int], TaskMachineEffect]]]:
    chain, facts = task.chain_status, task.facts
    if chain is ChainTaskStatus.UNSET:
        if task.view is not None and _must_initialize(task):
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


def _must_initialize(task: Task) -> bool:
    """Whether workers are at it in time, or there is nothing left to do but to claim."""
    if is_gone(task):
        return False
    in_time = task.now < task.facts.contribution_deadline
    return (in_time and bool(task.attempts)) or task.now >= task.facts.final_deadline


def is_settled(task: Task) -> bool:
    """Whether the chain has closed the task and every attempt's end is recorded."""
    return task.status in FINAL_TASK and all(a.status in FINAL for a in task.attempts)
