"""Open tasks that nobody can go on with: why, and who can do something about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.onchain import ChainTaskStatus, ContributionStatus
from poolhand.domain.replicate.events import Flow
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import is_given_up
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import UnixSeconds, show_moment


class Rescue(StrEnum):
    """Who can still bring a stuck task to its end."""

    POOL = "pool"
    WORKER = "worker"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class StuckState:
    """How an open task is stuck.

    Attributes:
        why: A clause for a person.
        rescue: Who can do something.
        until: Block time at which it is over whatever happens: then it can be claimed.
        advice: What that one does, and what happens else.
    """

    why: str
    rescue: Rescue
    until: UnixSeconds
    advice: str


_CLAIMED: Final = "the pool claims it then, and its requester is refunded"


def stuck_state(task: Task, obstacle: str | None) -> StuckState | None:
    """Return how a task is stuck; None while it goes on, or is over.

    Args:
        task: The task.
        obstacle: Why none of the workers that are there can go on with it, where it needs one.
    """
    facts = task.facts
    if task.chain_status not in _OPEN or task.now >= facts.final_deadline:
        return None
    if (why := _why_nobody(task)) is not None:
        advice = f"nobody can compute it any more: {_CLAIMED}"
        return StuckState(why, Rescue.NOBODY, facts.final_deadline, advice)
    if obstacle is not None:
        by = show_moment(facts.contribution_deadline)
        advice = f"the pool's owner connects a worker that can, before {by}; else {_CLAIMED}"
        return StuckState(obstacle, Rescue.POOL, facts.final_deadline, advice)
    if (why := _why_absent(task)) is not None:
        advice = f"the operator of such a worker starts it again; else {_CLAIMED}"
        return StuckState(why, Rescue.WORKER, facts.final_deadline, advice)
    return None


_OPEN: Final = frozenset({ChainTaskStatus.UNSET, ChainTaskStatus.ACTIVE, ChainTaskStatus.REVEALING})


def _why_nobody(task: Task) -> str | None:
    if task.status is TaskStatus.CONTRIBUTION_TIMEOUT:
        return "its time for contributions is over, and no result is proved"
    if is_given_up(task) and not any(each.live and not each.is_over for each in task.attempts):
        return f"it failed on {len(task.attempts)} worker(s), and no further one is tried"
    return None


def _why_absent(task: Task) -> str | None:
    """Say which workers are away that alone can go on with a result."""
    if task.chain_status is not ChainTaskStatus.REVEALING or task.stored is not None:
        return None
    if task.flow is not Flow.STANDARD:
        return None
    proved = [a for a in task.attempts if task.contribution(a.worker) is ContributionStatus.PROVED]
    able = proved or [a for a in task.attempts if task.agrees(a.worker)]
    if any(each.live and not each.is_over for each in able):
        return None
    named = ", ".join(str(each.worker) for each in able[:_MOST_WORKERS_NAMED])
    left = "uploaded" if proved else "revealed"
    return f"its result is not {left}, and whoever could is away: {named}"


_MOST_WORKERS_NAMED: Final = 3
"""Workers that are named."""
