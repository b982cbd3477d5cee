"""Why workers did not do a task, who must act and how, as its pool tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from poolhand.domain.replicate.status import FAILURES, FINAL, STATUSES, Row, Status
from poolhand.domain.task.rules import TASKS_FAULT
from poolhand.domain.task.story import CLAIMED, DROPPED, OWN_FAULTS
from poolhand.domain.units import show_moment, show_rlc

if TYPE_CHECKING:
    from poolhand.domain.deal import Deal
    from poolhand.requester.watching import TaskProgress
    from poolhand.wire.pool_api import ReplicateNews

_GOOD: Final = {Status.COMPLETED, Status.ABORTED_ON_CONSENSUS_REACHED}
_BAD: Final = (FINAL - _GOOD) | FAILURES | {
    Status.REVEAL_FAILED,
    Status.RESULT_UPLOAD_FAILED,
    Status.WORKER_LOST,
    Status.OUT_OF_GAS,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one or several workers did not do a task.

    ``status`` is the one that tells: of FAILED, the failure before it.
    """

    workers: tuple[str, ...]
    status: str
    why: str
    acts: str
    next_step: str

    @property
    def sentence(self) -> str:
        """The cause in one line."""
        return f"{_workers(self.workers)} {self.status}: {self.why}"


def causes(task: TaskProgress) -> tuple[Cause, ...]:
    """Return why workers failed at a task, as its pool tells it; equal causes are one."""
    found: dict[tuple[str, str, str, str], list[str]] = {}
    for each in task.news.replicates if task.news else ():
        if each.status in _BAD:
            found.setdefault(_cause(each), []).append(each.worker.short)
    return tuple(Cause(tuple(workers), *cause) for cause, workers in found.items())


def _cause(each: ReplicateNews) -> tuple[str, str, str, str]:
    row, detail = telling(each)
    return row.status, detail or row.meaning, row.acts, row.next_step


def _workers(names: tuple[str, ...]) -> str:
    return f"worker {names[0]}" if len(names) == 1 else f"{len(names)} workers"


def telling(each: ReplicateNews) -> tuple[Row, str]:
    """Return what a replicate's status means, and why it came.

    FAILED is told by the failure before it, by the claim that ended the task, or by the loss of the
    deal.
    """
    last = (each.history[-1].detail or "") if each.history else ""
    if each.status is not Status.FAILED:
        return STATUSES[each.status], last
    if each.won_by is not None:
        return CLAIMED, last
    if each.dropped:
        return DROPPED, last
    lines = [line for line in each.history if line.status in OWN_FAULTS]
    if not lines:
        return STATUSES[Status.FAILED], last
    return STATUSES[Status(lines[-1].status)], last or lines[-1].detail or ""


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
