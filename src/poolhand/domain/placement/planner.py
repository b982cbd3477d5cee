"""Who gets which task: an index kept up to date by events, and a plan of what has changed.

Never more replicates than are counted on for the consensus, never more than a worker has proved to
have slots and stake for, never two replicates of a task on one worker. Tasks that have begun come
first, then in fair order (``queues``). Among workers those come first that have settled tasks, then
the least loaded, then whom chance names; who failed or kept silent waits while others are there.
What is left over stands by newcomers that have not finished (``reliance``).

Between two plans nobody that is free fits a task that waits. A plan ends at once where nobody is
free or nothing is wanted, and passes by whole branches of tasks that nobody who is free can take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.placement.board import Board
from poolhand.domain.placement.crew import Crew
from poolhand.domain.placement.idle_counts import WaitingWork
from poolhand.domain.placement.need import Level, Need, need_of
from poolhand.domain.placement.reliance import (
    doubles,
    is_counted_on,
    is_vouched_for,
    replicates_wanted,
)
from poolhand.domain.placement.room import WorkerRoom
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.why_idle import why_idle
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.events import Entry
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.trust import Weight
from poolhand.domain.units import UnixSeconds


@dataclass(frozen=True, slots=True)
class Assignment:
    """One replicate to create."""

    task_id: TaskId
    worker: Address
    weight: Weight
    proved: bool = True


class Planner:
    """Plans; knows no clock, no network, and no thread.

    Args:
        rules: Of the pool's owner.
        draw: Draws a number that decides among equals.

    Attributes:
        can_initialize: Whether the pool can pay for putting further tasks on chain.
        board: The tasks.
        crew: The workers.
        at: The task that is being planned.
    """

    def __init__(self, rules: PlacementRules, draw: Callable[[], float]) -> None:
        self._rules = rules
        self.board, self.crew = Board(), Crew(rules, draw)
        self.can_initialize = True
        self.at: TaskId | None = None

    def hear(self, task: Task, deal: Deal | None, *, sure: bool = True) -> None:
        """Take note of a task, or of a change.

        Args:
            task: As it stands.
            deal: Its deal, None while that is not known.
            sure: Whether all is known of it; nobody is given it else.
        """
        need = need_of(task, deal, self._rules, sure=sure)
        self.crew.hear(self.board.needs.get(task.facts.task_id), need)
        self.board.put(need)

    def forget(self, task_id: TaskId) -> None:
        """Drop a task that is settled; repeatable."""
        self.crew.hear(self.board.drop(task_id), None)

    def join(self, worker: ConnectedWorker) -> None:
        """Take note of a worker, or of a change."""
        self.crew.join(worker)

    def leave(self, worker: Address) -> None:
        """Take note that a worker is not there; repeatable."""
        self.crew.leave(worker)

    def pass_time(self, now: UnixSeconds) -> None:
        """Let block time pass: who rests until then rests no more."""
        self.crew.pass_time(now)

    def plan(self, most: int = 1 << 30) -> tuple[Assignment, ...]:
        """Choose replicates to create, and count on it that they are.

        Args:
            most: After so many the plan ends; the next one goes on.
        """
        made: list[Assignment] = []
        while len(made) < most and (chosen := self.next_task()):
            made += chosen
        return tuple(made)

    def next_task(self) -> list[Assignment]:
        """Choose workers for the task whose turn it is; none where there is nothing to give."""
        self.at = None
        need = self.board.first(self.crew, can_initialize=self.can_initialize)
        if need is None:
            return []
        self.at = need.task.facts.task_id
        chosen = self._staff(need)
        assert chosen, "somebody fits it"
        return chosen

    def why_idle(self, worker: Address) -> Mapping[str, int]:
        """Say why a worker has nothing to do: reasons counted by task, see ``IdleReason``."""
        return why_idle(self.board, self.crew, worker, can_initialize=self.can_initialize)

    def idle_workers(self) -> Mapping[IdleReason, int]:
        """Count the workers that are there by why they are given nothing more; each counts once."""
        work = WaitingWork.on(self.board, can_initialize=self.can_initialize)
        return self.crew.idle.reasons(work, self.crew.others_soon)

    def _staff(self, need: Need) -> list[Assignment]:
        """Choose workers for a task."""
        task, deal = need.task, need.deal
        assert need.queue is not None
        stands_by = need.queue.level is Level.STANDBY
        trusts = is_vouched_for if stands_by else is_counted_on
        extra, others = doubles(task, self._rules, trusts), False
        made: list[Assignment] = []
        while (wanted := replicates_wanted(task, Weight(2), self._rules, trusts)) or made:
            if not wanted and not extra:
                break
            extra -= not wanted
            had = {a.worker for a in task.attempts}
            room, others = self.crew.pick(
                need.queue.demand, had, self.crew.sources(had), others=others
            )
            if room is None:
                break
            made.append(_assignment(task, room))
            task = _given(task, made[-1])
        if made:
            self.hear(task, deal)
        return made


def _assignment(task: Task, room: WorkerRoom) -> Assignment:
    known = room.worker
    return Assignment(task.facts.task_id, known.worker, known.weight, known.reputation.is_proved)


def _given(task: Task, made: Assignment) -> Task:
    """Return the task as it will be once a replicate is created."""
    created = (Entry(Status.CREATED, task.now),)
    return task.with_attempt(
        Attempt(made.worker, made.weight, created, heard_at=task.now, proved=made.proved)
    )
