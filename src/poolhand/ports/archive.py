"""What has settled: rows that are asked for by key, never all at once.

Every call may wait for a disk: whoever must not wait calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class KeptDeal:
    """A deal, and the block time after which no task of it can change: it counts for retention."""

    deal: Deal
    final_deadline: UnixSeconds


SettledRow: TypeAlias = Task | KeptDeal


@dataclass(frozen=True, slots=True)
class TaskLine:
    """A task in a list of its deal's."""

    task_id: TaskId
    index: int
    status: TaskStatus


class SettledArchive(Protocol):
    """Rows of settled tasks, and of every deal."""

    def task(self, task_id: TaskId) -> Task | None:
        """Return a settled task as it was in the end."""

    def tasks(self, status: TaskStatus | None, before: TaskId | None, most: int) -> Sequence[Task]:
        """Return settled tasks, the one that settled last first.

        Args:
            status: Of those alone; None: of all.
            before: Those that settled before this one; None, or one that is no row: the newest.
            most: How many at most.
        """

    def deal(self, deal_id: DealId) -> Deal | None:
        """Return a deal."""

    def lines(self, deal_id: DealId, first: int, end: int) -> Sequence[TaskLine]:
        """Return settled tasks of a deal in order of their index: from one on, before another."""

    def ended(self, deal_id: DealId) -> frozenset[TaskId]:
        """Return those tasks of a deal that the chain has ended: nothing more is done for them."""

    def counts(self) -> Mapping[TaskStatus, int]:
        """Return how many tasks have settled, by their status; kept as they settle."""

    def prune(self, before: UnixSeconds, most: int) -> int:
        """Forget settled tasks whose final deadline lies before a time, and deals without tasks.

        Returns:
            How many tasks were forgotten; fewer than ``most`` when none is left to forget.
        """
