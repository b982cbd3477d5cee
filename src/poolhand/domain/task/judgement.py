"""Whose merit or fault the end of a replicate is."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import TASKS_FAULT, is_given_up, is_overdue, verdict

_OVERDUE: Final = frozenset({Status.REVEAL_TIMEOUT, Status.ABORTED_ON_CONTRIBUTION_TIMEOUT})
_OPEN: Final = frozenset({ChainTaskStatus.UNSET, ChainTaskStatus.ACTIVE})


class Judgement(StrEnum):
    """What a replicate came to."""

    SETTLED = "settled"
    WORKERS_FAULT = "the worker's fault"
    TASKS_FAULT = "the app's fault, unless others can do it"


def judge(task: Task, attempt: Attempt) -> Judgement | None:
    """Judge a replicate by the chain and by what was reported; None while nothing can be said.

    Who was only slower than another has done nothing wrong.
    """
    if task.contribution(attempt.worker) is ContributionStatus.PROVED:
        return Judgement.SETTLED
    if attempt.count(*TASKS_FAULT):
        done = task.chain_status is ChainTaskStatus.COMPLETED
        return Judgement.WORKERS_FAULT if done else Judgement.TASKS_FAULT
    return Judgement.WORKERS_FAULT if _is_workers_fault(task, attempt) else None


def _is_workers_fault(task: Task, attempt: Attempt) -> bool:
    if attempt.live and attempt.is_over and is_overdue(task, attempt):
        return len(attempt.log) - 1 not in attempt.told  # we had to say how it ended
    if attempt.status is Status.WORKER_LOST:
        return task.chain_status in _OPEN
    if task.chain_status is ChainTaskStatus.UNSET and not is_declined(attempt):
        return False  # nobody can settle what the pool has not put on chain
    ended = attempt.status if attempt.is_over else verdict(task, attempt)
    failed = ended is Status.FAILED and task.chain_status in _OPEN
    return failed or ended in _OVERDUE


def is_declined(attempt: Attempt) -> bool:
    """Whether an offer was declined: it ended before anything was begun."""
    return attempt.is_over and attempt.log[-2:-1] == attempt.log[:1]


class Ending(StrEnum):
    """What a task shows of its app and of who bought it."""

    RAN = "the app ran"
    FAILED = "it failed at a worker that has proved itself"
    GIVEN_UP = "it failed at so many workers that no more are asked"


def ending(task: Task) -> Ending | None:
    """Tell whether a task shows that its app works, or that it does not; None while neither."""
    if task.chain_status is ChainTaskStatus.COMPLETED:
        return Ending.RAN
    failed = [a for a in task.attempts if judge(task, a) is Judgement.TASKS_FAULT]
    if failed and is_given_up(task):
        return Ending.GIVEN_UP
    return Ending.FAILED if any(a.proved for a in failed) else None
