"""Carries out the plan: replicates are created as soon as somebody is free for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from random import Random
from typing import Final

import structlog

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.placement.planner import Assignment
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.task.machine import Assigned
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import FINAL_TASK
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.assessor import Assessor
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.lookout import Lookout
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.supply import Idle as IdleWhy
from poolhand.scheduler.supply import plan
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.wire.messages import Idle, WorkerBound

RECOUNT: Final = 10
"""Seconds between two messages to a worker in which only the counts differ: each task that comes
or goes changes them for everybody."""

log = structlog.get_logger()


class Supplier:
    """Plans once per turn of the event loop, however often it is woken.

    Args:
        assessor: Learns who was given what, and says who has let it lie.
        rules: Of the pool's owner.
        chance: Decides among equals.
        now: The chain's time.
        tell: Hands a message to a worker's session.
        can_initialize: Whether the pool can pay for putting further tasks on chain.
    """

    def __init__(
        self,
        engine: Engine,
        lookout: Lookout,
        workers: WorkerDirectory,
        metrics: Metrics,
        assessor: Assessor,
        rules: PlacementRules,
        chance: Random,
        now: Callable[[], UnixSeconds],
        tell: Callable[[Address, WorkerBound], None],
        can_initialize: Callable[[], bool] = lambda: True,
    ) -> None:
        self._can_initialize = can_initialize
        self._assessor, self._rules, self._chance = assessor, rules, chance
        self._engine, self._lookout, self._directory = engine, lookout, workers
        self._metrics, self._now, self._tell = metrics, now, tell
        self._is_open, self._due = False, asyncio.Event()
        self._told: dict[Address, tuple[UnixSeconds, Mapping[str, int]]] = {}
        self._ended: dict[TaskId, int] = {}
        self._looking: set[TaskId] = set()
        self._unplannable: set[TaskId] = set()
        self._waiting_since: dict[TaskId, float] = {}

    def open(self) -> None:
        """Begin to create replicates: the scheduler has caught up with the chain."""
        self._is_open = True
        self.wake()

    def wake(self) -> None:
        """Plan in the next turn of the loop."""
        if self._is_open:
            self._due.set()

    async def keep_supplying(self) -> None:
        """Plan whenever woken, for ever; what breaks a plan ends that plan."""
        while True:
            await self._due.wait()
            self._due.clear()
            with self._engine.wall.around("plan"):
                self._supply()

    def changed(self, task_id: TaskId) -> None:
        """Plan again because a task changed."""
        task = self._engine.tasks[task_id]
        self._verify_ends(task)
        if not task.attempts:
            self._waiting_since.setdefault(task_id, asyncio.get_running_loop().time())
        self.wake()

    def _verify_ends(self, task: Task) -> None:
        """Look at the chain before an ended replicate is replaced: its worker may know more."""
        task_id, ended = task.facts.task_id, sum(attempt.is_over for attempt in task.attempts)
        if task.status in FINAL_TASK:
            self._ended.pop(task_id, None)
        elif ended > self._ended.get(task_id, 0):
            self._ended[task_id] = ended
            self._looking.add(task_id)
            self._lookout.look([task_id]).add_done_callback(lambda _: self._verified(task_id))

    def _verified(self, task_id: TaskId) -> None:
        self._looking.discard(task_id)
        self.wake()

    def _supply(self) -> None:
        """Plan, and carry it out; a task with which there is no planning is left out of it."""
        with self._engine.wall.around("silence"):
            self._assessor.notice_silence()
        seats = list(self._directory.all())
        self._chance.shuffle(seats)
        try:
            made, idle = self._plan(self._plannable(), seats)
        except Exception as fault:  # noqa: BLE001 - the wall lets through what is not a task's
            self._engine.wall.take(fault, "plan")
            self._leave_out(seats)
            made, idle = self._plan(self._plannable(), seats)
        self._carry_out(made, idle, seats)

    def _plannable(self) -> list[Task]:
        tasks = self._engine.open_tasks()
        return [task for task in tasks if task.facts.task_id not in self._unplannable]

    def _leave_out(self, seats: list[ConnectedWorker]) -> None:
        """Find the tasks that no plan can have, each by itself."""
        for task in self._plannable():
            try:
                self._plan([task], seats)
            except Exception as fault:  # noqa: BLE001 - as in _supply
                self._unplannable.add(task.facts.task_id)
                self._engine.note(task.facts.task_id, fault, "plan")

    def _plan(
        self, tasks: list[Task], seats: list[ConnectedWorker]
    ) -> tuple[tuple[Assignment, ...], IdleWhy]:
        return plan(
            tasks,
            self._lookout.deals.by_id,
            seats,
            self._looking | self._engine.troubles.keys(),
            now=self._now(),
            can_initialize=self._can_initialize(),
            rules=self._rules,
        )

    def _carry_out(
        self, made: tuple[Assignment, ...], idle: IdleWhy, seats: list[ConnectedWorker]
    ) -> None:
        for each in made:
            with self._engine.wall.around("assignment", task_id=str(each.task_id)):
                self._assign(each)
        there = {seat.worker for seat in seats}
        self._told = {worker: why for worker, why in self._told.items() if worker in there}
        for worker, reasons in idle.items():
            self._explain(worker, reasons)

    def _assign(self, each: Assignment) -> None:
        event = Assigned(self._now(), each.worker, each.weight, each.proved)
        self._engine.feed(each.task_id, event)
        self._assessor.assigned(self._engine.tasks[each.task_id], each.worker)
        self._measure(each.task_id)
        log.info("replicate_created", task_id=str(each.task_id), worker=str(each.worker))

    def _measure(self, task_id: TaskId) -> None:
        self._metrics.assignments.inc()
        since = self._waiting_since.pop(task_id, None)
        if since is not None:
            waited = asyncio.get_running_loop().time() - since
            self._metrics.assignment_seconds.observe(waited)

    def _explain(self, worker: Address, reasons: Mapping[str, int]) -> None:
        """Tell a worker why it gets nothing: new reasons at once, new counts now and then."""
        since, told = self._told.get(worker, (UnixSeconds(0), None))
        now = self._now()
        is_due = told is None or told.keys() != reasons.keys() or now >= since + RECOUNT
        if is_due and told != reasons:
            self._told[worker] = now, reasons
            self._tell(worker, Idle(reasons))
