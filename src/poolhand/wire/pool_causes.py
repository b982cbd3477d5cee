"""Why workers did not do a task, who must act and how, as their pool's answer tells it. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from poolhand.domain.ids import Address
from poolhand.domain.replicate.status import FAILURES, FINAL, STATUSES, Row, Status
from poolhand.domain.task.story import CLAIMED, DROPPED, OWN_FAULTS
from poolhand.domain.tee.exit_causes import remedy_of

if TYPE_CHECKING:
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

    workers: tuple[Address, ...]
    status: str
    why: str
    acts: str
    next_step: str

    @property
    def sentence(self) -> str:
        """The cause in one line."""
        return f"{_workers(self.workers)} {self.status}: {self.why}"

    @property
    def advice(self) -> str:
        """The cause, who must act and how, in one line."""
        if self.why.endswith(self.next_step):
            return self.sentence
        return f"{self.sentence} (next: {self.acts}: {self.next_step})"


def causes_of(replicates: Iterable[ReplicateNews]) -> tuple[Cause, ...]:
    """Return why replicates failed; equal causes are one."""
    found: dict[tuple[str, str, str, str], list[Address]] = {}
    for each in replicates:
        if each.status in _BAD:
            found.setdefault(_cause(each), []).append(each.worker)
    return tuple(Cause(tuple(workers), *cause) for cause, workers in found.items())


def _cause(each: ReplicateNews) -> tuple[str, str, str, str]:
    row, detail = telling(each)
    return row.status, detail or row.meaning, row.acts, row.next_step


def _workers(names: tuple[Address, ...]) -> str:
    return f"worker {names[0].short}" if len(names) == 1 else f"{len(names)} workers"


def telling(each: ReplicateNews) -> tuple[Row, str]:
    """Return what a replicate's status means, and why it came.

    FAILED is told by the failure before it, by the claim that ended the task, or by the loss of the
    deal.
    """
    row, detail = _telling(each)
    if remedy := remedy_of(detail):  # a service of a confidential task, whose causes say who acts
        party, step = remedy
        return replace(row, acts=party, next_step=step), detail
    return row, detail


def _telling(each: ReplicateNews) -> tuple[Row, str]:
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
