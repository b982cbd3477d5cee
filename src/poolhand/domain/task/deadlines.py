"""When time alone changes something about a task: nobody has to look at it before.

Between two events only block time moves a task, and only at moments that its state names. A
scheduler lets time pass in a task at its next moment, not in every task with every block.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.machine import is_settled
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import (
    AWAITED_AFTER_FORK,
    FAILED_UPLOADS,
    FORGOTTEN,
    LAST_WORD,
    UPLOAD_PAUSE,
    UPLOAD_SILENCE,
)
from poolhand.domain.task.status import FINAL_TASK
from poolhand.domain.units import UnixSeconds

_OVER = (ChainTaskStatus.COMPLETED, ChainTaskStatus.FAILED)


def next_wake(task: Task) -> UnixSeconds | None:
    """Return the next block time at which a task may change by itself; None when it will not.

    Before it a tick changes nothing but ``now``, and asks for nothing.
    """
    if is_settled(task):
        return None
    later = (moment for moment in _moments(task) if moment > task.now)
    found = min(later, default=None)
    return None if found is None else UnixSeconds(found)


def _moments(task: Task) -> Iterator[int]:
    facts, view = task.facts, task.view
    yield from (facts.contribution_deadline, facts.final_deadline)
    if view is not None:
        yield view.reveal_deadline
    if task.gone_since is not None:
        yield task.gone_since + FORGOTTEN
    yield from (refusal.not_before for refusal in task.refusals)
    for (before, _), (_, at) in pairwise(task.history):
        if before in FINAL_TASK:
            yield at + AWAITED_AFTER_FORK
    for attempt in task.attempts:
        yield from _moments_of(task, attempt)


def _moments_of(task: Task, attempt: Attempt) -> Iterator[int]:
    if task.chain_status in _OVER and task.history:
        yield max(task.history[-1][1], attempt.heard_at) + LAST_WORD
    if task.chain_status is ChainTaskStatus.REVEALING and not attempt.is_over:
        yield attempt.heard_at + UPLOAD_PAUSE * attempt.count(*FAILED_UPLOADS)
        silent = max(task.now - attempt.heard_at, 0) // UPLOAD_SILENCE
        yield attempt.heard_at + (silent + 1) * UPLOAD_SILENCE
