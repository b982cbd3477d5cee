"""Why a bought task was not done, as its pool tells it, and what its buyer can do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from poolhand.domain.task.rules import TASKS_FAULT
from poolhand.domain.units import show_moment, show_rlc
from poolhand.wire.pool_causes import Cause, causes_of, telling

if TYPE_CHECKING:
    from poolhand.domain.deal import Deal
    from poolhand.requester.watching import TaskProgress


def causes(task: TaskProgress) -> tuple[Cause, ...]:
    """Return why workers failed at a task, as its pool tells it; equal causes are one."""
    return causes_of(task.news.replicates if task.news else ())


def nobody_left(task: TaskProgress, deal: Deal | None = None) -> str:
    """Say that no worker is left for a task, and when and how its price comes back."""
    tried = len(task.news.replicates) if task.news else 0
    who = f"no worker of this pool is left that could do it ({tried} had it)"
    who = who if tried else "no worker is connected to this pool"
    if task.news and task.news.obstacle and not tried:
        who = task.news.obstacle
    price = f"its price of {show_rlc(deal.price)} RLC" if deal else "its price"
    when = show_moment(task.deadline) if task.deadline else "its final deadline"
    return (
        f"task {task.index}: {who}. Unless another joins in time, {price} comes back at {when}: "
        "the pool claims it then, as does a command that waits for it; nothing must be done by "
        f"hand. {_instead(task)}"
    )


def _instead(task: TaskProgress) -> str:
    """Say what to do now: elsewhere it goes on only if it was not the app that failed here."""
    replicates = task.news.replicates if task.news else ()
    failed = [each for each in replicates if telling(each)[0].status in TASKS_FAULT]
    if not failed or len(failed) < len(replicates):
        return "To have it computed elsewhere now, buy it with --pool-url of another workerpool"
    return (
        "It failed at every worker that had it, and another workerpool would hardly do better: "
        f"read why (`poolhand task logs {task.task_id}`), fix the app, its arguments or its data, "
        "and buy it again"
    )
