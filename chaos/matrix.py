"""The matrix: who is struck, by what, and where in the life of a replicate. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from poolhand.domain.replicate.events import STEP_OF_ACTION, Flow
from poolhand.domain.replicate.status import Status


class Victim(StrEnum):
    """What is struck."""

    WORKER = "worker"
    SCHEDULER = "scheduler"
    RESULTS = "results"
    NODE = "node"
    DOCKER = "docker"


class Fault(StrEnum):
    """What strikes it."""

    KILL = "kill"
    TERM = "term"
    PARTITION = "partition"


class Moment(StrEnum):
    """Where the worker stands still: around the journal's entry, or while a stage goes on."""

    BEFORE = "before"
    AFTER = "after"
    AMID = "amid"


S = Status
HAPPY: dict[Flow, tuple[Status, ...]] = {
    Flow.STANDARD: (
        S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING, S.DATA_DOWNLOADED,
        S.COMPUTING, S.COMPUTED, S.CAN_CONTRIBUTE, S.CONTRIBUTING, S.CONTRIBUTED, S.REVEALING,
        S.REVEALED, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING, S.RESULT_UPLOADED, S.COMPLETED,
        S.RECOVERING,
    ),
    Flow.CONTRIBUTE_AND_FINALIZE: (
        S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING, S.DATA_DOWNLOADED,
        S.COMPUTING, S.COMPUTED, S.RESULT_UPLOADING, S.RESULT_UPLOADED, S.CAN_CONTRIBUTE,
        S.CONTRIBUTING, S.CONTRIBUTED, S.COMPLETED, S.RECOVERING,
    ),
}  # fmt: skip
"""Statuses of a worker whose task goes well, in order; and RECOVERING, which a restart adds."""
ONGOING = frozenset(step.ongoing for step in STEP_OF_ACTION.values() if step.ongoing is not None)
"""Statuses that last as long as a stage."""
SHORT = {Flow.STANDARD: "standard", Flow.CONTRIBUTE_AND_FINALIZE: "caf"}


@dataclass(frozen=True)
class Cell:
    """One trial."""

    flow: Flow
    victim: Victim
    fault: Fault
    status: Status
    moment: Moment

    @property
    def name(self) -> str:
        words = (SHORT[self.flow], self.victim, self.fault, self.status, self.moment)
        return ",".join(words)


def moments(victim: Victim, status: Status) -> tuple[Moment, ...]:
    """Return where a status is met.

    Whether the worker has written its entry matters to the worker alone. A stage is struck while
    it goes on: at its beginning it is one with the status before.
    """
    if status in ONGOING:
        return (Moment.AMID,)
    if victim is Victim.WORKER and status is not Status.RECOVERING:
        return (Moment.BEFORE, Moment.AFTER)
    return (Moment.AFTER,)


def all_cells() -> tuple[Cell, ...]:
    """Return the whole matrix, in reading order."""
    return tuple(
        Cell(flow, victim, fault, status, moment)
        for flow, statuses in HAPPY.items()
        for victim in Victim
        for fault in Fault
        for status in statuses
        for moment in moments(victim, status)
    )


def chosen(cells: Iterable[Cell], only: str) -> tuple[Cell, ...]:
    """Return the cells that have every one of the words (``worker,kill,COMPUTING``).

    Raises:
        ValueError: There are none.
    """
    words = set(filter(None, only.split(",")))
    found = tuple(cell for cell in cells if words <= set(cell.name.split(",")))
    if not found:
        raise ValueError(f"no cell has all of {sorted(words)}: see `python -m chaos --list`")
    return found


def sample(cells: Iterable[Cell], seed: int, count: int) -> tuple[Cell, ...]:
    """Return ``count`` cells by chance, or all."""
    found = list(cells)
    return tuple(random.Random(f"sample {seed}").sample(found, min(count, len(found))))


def shuffled(cells: Iterable[Cell], seed: int) -> tuple[Cell, ...]:
    """Return the cells in the order of a seed, each flow's together: a change costs a restart."""
    order = random.Random(seed)
    mixed = list(cells)
    order.shuffle(mixed)
    flows = list(HAPPY)
    order.shuffle(flows)
    return tuple(sorted(mixed, key=lambda cell: flows.index(cell.flow)))


FIXED = (
    "standard,worker,kill,COMPUTING,amid",
    "standard,worker,kill,CONTRIBUTED,before",
    "standard,worker,term,REVEALING,amid",
    "standard,worker,partition,CONTRIBUTED,after",
    "standard,scheduler,kill,CONTRIBUTED,after",
    "standard,scheduler,term,REVEALED,after",
    "standard,scheduler,partition,COMPUTED,after",
    "standard,results,kill,RESULT_UPLOADING,amid",
    "standard,results,term,RESULT_UPLOAD_REQUESTED,after",
    "standard,results,partition,RESULT_UPLOADING,amid",
    "standard,node,kill,CONTRIBUTING,amid",
    "standard,node,term,REVEALING,amid",
    "standard,node,partition,CAN_CONTRIBUTE,after",
    "standard,docker,kill,RECOVERING,after",
    "caf,docker,kill,COMPUTING,amid",
    "caf,docker,term,APP_DOWNLOADED,after",
    "caf,docker,partition,COMPUTING,amid",
    "caf,worker,kill,CONTRIBUTING,amid",
    "caf,worker,kill,RECOVERING,after",
)
"""Every victim and every fault where it hurts most: what ``make test`` plays."""


def fixed() -> tuple[Cell, ...]:
    """Return the cells of ``FIXED``."""
    by_name = {cell.name: cell for cell in all_cells()}
    return tuple(by_name[name] for name in FIXED)
