"""Carries out what is planned: replicates are created as soon as somebody is free for them."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from random import Random
from typing import Final

import structlog

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.placement.planner import Assignment, Planner
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.machine import Assigned, is_settled
from poolhand.domain.task.model import Task
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.assessor import Assessor
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.ended_replicates import EndedReplicates
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.idle_news import IdleNews
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.plan_due import PlanDue
from poolhand.scheduler.worker_directory import WorkerDirectory

MOST_HEARD: Final = 32
"""Changes of tasks, and of workers, that are taken in before the loop has its turn."""
MOST_MADE: Final = 16
"""Replicates that are created before the loop has its turn."""
WORKERS_TOLD_AT_ONCE: Final = 32
"""Workers that are told at once why they are given nothing, because they have changed."""

log = structlog.get_logger()


class Placement:
    """Tells the planner what has changed, and creates the replicates that it asks for.

    Once per turn of the event loop, however often it is woken.

    Args:
        deals: Of the tasks.
        ended: Tasks of which the chain is asked before an ended replicate is replaced.
        assessor: Learns who was given what, and says who has let it lie.
        rules: Of the pool's owner.
        chance: Decides among equals.
        now: The chain's time.
        until_now: The same, and what has passed since the newest block.
        can_initialize: Whether the pool can pay for putting further tasks on chain.
        news: Tells workers why they are idle.
        due: Whether a plan is asked for.
    """

    def __init__(
        self,
        engine: Engine,
        deals: Deals,
        ended: EndedReplicates,
        directory: WorkerDirectory,
        metrics: Metrics,
        assessor: Assessor,
        rules: PlacementRules,
        chance: Random,
        now: Callable[[], UnixSeconds],
        until_now: Callable[[], UnixSeconds],
        can_initialize: Callable[[], bool],
        news: IdleNews,
        due: PlanDue,
    ) -> None:
        self._engine, self._deals, self._ended, self._directory = engine, deals, ended, directory
        self._metrics, self._assessor, self._now, self._news = metrics, assessor, now, news
        self._until_now, self._can_initialize = until_now, can_initialize
        self._planner = Planner(rules, chance.random)
        self._due, self.wake = due, due.wake
        self._tasks: OrderedDict[TaskId, None] = OrderedDict()  # ordered: as in ``looks``
        self._workers: OrderedDict[Address, None] = OrderedDict()
        self._untold: OrderedDict[Address, None] = OrderedDict()
        self._unplannable: set[TaskId] = set()
        self._without_deal: dict[DealId, dict[TaskId, None]] = {}
        self._waiting_since: dict[TaskId, float] = {}
        engine.changed.connect(self.changed)
        engine.troubled.connect(self.touched)
        engine.left.connect(self.left)
        directory.changed.connect(self.worker_changed)
        deals.known.connect(self.deal_known)
        metrics.show_idle(self.idle_workers)

    def open(self) -> None:
        """Begin to create replicates: the scheduler has caught up with the chain."""
        self._due.open()
        for task in self._engine.open_tasks():
            self.touched(task.facts.task_id)
        self.wake()

    def changed(self, task_id: TaskId) -> None:
        """Plan again because a task changed."""
        task = self._engine.tasks[task_id]
        self._ended.changed(task, self.touched)
        if is_settled(task):
            self._waiting_since.pop(task_id, None)
        elif not task.attempts:
            self._waiting_since.setdefault(task_id, asyncio.get_running_loop().time())
        self.touched(task_id)

    def left(self, task: Task) -> None:
        """Forget a task that has settled for good."""
        task_id, deal_id = task.facts.task_id, task.facts.deal_id
        self._unplannable.discard(task_id)
        self._waiting_since.pop(task_id, None)
        waiting = self._without_deal.get(deal_id, {})
        waiting.pop(task_id, None)
        if not waiting:
            self._without_deal.pop(deal_id, None)

    def touched(self, task_id: TaskId) -> None:
        """Plan again because something about a task may be different: its time, its trouble."""
        if task_id in self._engine.tasks:
            self._tasks[task_id] = None
            self.wake()

    def worker_changed(self, worker: Address) -> None:
        """Plan again because a worker came, went, or can take more or less than before."""
        self._workers[worker] = None
        self.wake()

    def deal_known(self, deal_id: DealId) -> None:
        """Plan the tasks that had to wait until their deal was read."""
        for task_id in self._without_deal.pop(deal_id, ()):
            self.touched(task_id)

    def why_idle(self, worker: Address) -> Mapping[str, int]:
        """Say why a worker has nothing to do: reasons counted by task, see ``IdleReason``."""
        return self._planner.why_idle(worker)

    def idle_workers(self) -> Mapping[IdleReason, int]:
        """Count the workers that are there by why they are given nothing more; each counts once."""
        return self._planner.idle_workers()

    async def keep_placing(self) -> None:
        """Plan whenever woken, for ever; what breaks a plan ends that plan."""
        while True:
            await self._due.wait()
            while self._tasks or self._workers:
                self._take_in()
                self._meet()
                await asyncio.sleep(0)
            with self._engine.boundary.around("plan"):
                self._place()

    def _take_in(self) -> None:
        """Tell the planner of tasks that have changed."""
        for task_id in list(islice(self._tasks, MOST_HEARD)):
            del self._tasks[task_id]
            if task_id not in self._engine.tasks:  # it has settled for good meanwhile
                continue
            try:
                self._hear(self._engine.tasks[task_id])
            except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
                self._leave_out(task_id, fault)

    def _hear(self, task: Task) -> None:
        task_id, deal_id = task.facts.task_id, task.facts.deal_id
        if is_settled(task) or task_id in self._unplannable:
            self._planner.forget(task_id)
            return
        deal = self._deals.by_id.get(deal_id)
        if deal is None:
            self._without_deal.setdefault(deal_id, {})[task_id] = None
        sure = not self._ended.is_asked(task_id) and task_id not in self._engine.troubles
        self._planner.hear(task, deal, sure=sure)

    def _leave_out(self, task_id: TaskId, fault: Exception) -> None:
        """Plan without a task with which there is no planning."""
        self._unplannable.add(task_id)
        self._engine.note(task_id, fault, "plan")
        self._planner.forget(task_id)

    def _place(self) -> None:
        """Plan, and carry it out."""
        with self._engine.boundary.around("silence"):
            self._assessor.notice_silence()
        self._planner.can_initialize = self._can_initialize()
        self._planner.pass_time(self._now())
        made = self._plan()
        for each in made:
            with self._engine.boundary.around("assignment", task_id=str(each.task_id)):
                self._assign(each)
            self.touched(each.task_id)
        self._explain({each.worker for each in made})
        if len(made) >= MOST_MADE or self._untold:
            self.wake()

    def _explain(self, given: Collection[Address]) -> None:
        """Tell why to some of those that have changed and were given nothing."""
        changed = list(islice(self._untold, WORKERS_TOLD_AT_ONCE))
        for worker in changed:
            del self._untold[worker]
        self._news.tell(self._planner, [each for each in changed if each not in given], given)

    def _meet(self) -> None:
        """Tell the planner of workers that have changed."""
        for worker in list(islice(self._workers, MOST_HEARD)):
            del self._workers[worker]
            self._untold[worker] = None
            known = self._directory.get(worker)
            if known is None:
                self._planner.leave(worker)
            else:
                self._planner.join(known)

    def _plan(self) -> list[Assignment]:
        """Plan until there is nothing to give, or enough for one turn of the loop."""
        made: list[Assignment] = []
        while len(made) < MOST_MADE:
            try:
                chosen = self._planner.next_task()
            except Exception as fault:
                culprit = self._planner.at
                if culprit is None:
                    raise
                self._leave_out(culprit, fault)
                continue
            if not chosen:
                break
            made += chosen
        return made

    def _assign(self, each: Assignment) -> None:
        at, leaves = self._now(), self._until_now()
        event = Assigned(at, each.worker, each.weight, each.proved, leaves)
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
