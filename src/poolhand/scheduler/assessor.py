"""Judges replicates as their tasks go on, so that merit and fault decide who comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final

import structlog

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.placement.reliance import is_taken_up, late_at
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.reputation import REQUESTERS_TRIES
from poolhand.domain.signal import Signal
from poolhand.domain.task.judgement import Ending, Judgement, ending, is_declined, judge
from poolhand.domain.task.machine import is_settled
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.task.rules import awaits_enclave, is_working
from poolhand.domain.units import UnixSeconds
from poolhand.ports.journal import EventLog
from poolhand.scheduler.app_memory import AppMemory
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.reputations import Reputations
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.store.section import LogSection

NOT_TAKEN_UP: Final = "it has not taken up what it was offered"
TOO_SLOW: Final = "it has held a task for a whole period of its category"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Memory:
    """What a pool remembers of those it deals with."""

    workers: Reputations[Address]
    apps: AppMemory
    requesters: Reputations[Address]

    @classmethod
    def on(cls, journal: EventLog | None, vouched: frozenset[Address]) -> Memory:
        """Keep it in one journal; None forgets at a restart."""

        def part(name: str) -> EventLog | None:
            return None if journal is None else LogSection(journal, name)

        workers = Reputations(part("worker"), Address.parse, vouched)
        requesters = Reputations(part("requester"), Address.parse, tolerated=REQUESTERS_TRIES)
        return cls(workers, AppMemory(part("app"), part("app-buyer")), requesters)

    def recover(self) -> None:
        """Read what was remembered."""
        self.workers.recover()
        self.apps.recover()
        self.requesters.recover()


class Assessor:
    """Tells merit and fault, each once.

    A failure that the app may have caused counts against the worker when somebody else settles the
    task, or at once where a newcomer fails at an app that has run here before: arguments and data
    are the buyer's, so a failure at such an app says nothing against a worker that is proved. Else
    it counts against who bought it, and against the app for this buyer, once a worker that has
    proved itself has failed at it or the pool gives the task up. What one buyer's failures say of
    the app to others is ``domain.app_record``'s to tell.

    Args:
        deals: Of the tasks.
        now: The chain's time.
        is_sure: Whether who has not been heard has been silent.

    Attributes:
        judged: Tells of each judgement of a replicate, once.
    """

    def __init__(
        self,
        engine: Engine,
        workers: WorkerDirectory,
        deals: Mapping[DealId, Deal],
        memory: Memory,
        rules: PlacementRules,
        now: Callable[[], UnixSeconds],
        is_sure: Callable[[], bool] = lambda: True,
    ) -> None:
        self._engine, self._directory, self._deals = engine, workers, deals
        self._memory, self._rules, self._now, self._is_sure = memory, rules, now, is_sure
        self._counted: dict[TaskId, dict[Address, Judgement]] = {}
        self._ended: dict[TaskId, Ending] = {}
        self._excused: dict[TaskId, set[Address]] = {}
        self._due: list[tuple[UnixSeconds, TaskId, Address]] = []
        self.judged: Signal[[Task, Attempt, Judgement]] = Signal()
        engine.changed.connect(self.changed)

    def recover(self) -> None:
        """After a restart: what can be told now was told before."""
        self._memory.recover()
        for task in self._engine.open_tasks():
            judged = {a.worker: judge(task, a) for a in task.attempts}
            known = {worker: each for worker, each in judged.items() if each is not None}
            self._counted[task.facts.task_id] = known
            if (end := ending(task)) is not None:
                self._ended[task.facts.task_id] = end
            for attempt in task.attempts:
                self.assigned(task, attempt.worker)

    def assigned(self, task: Task, worker: Address) -> None:
        """Take note of a replicate: silence is noticed in time, and once."""
        attempt = task.attempt(worker)
        if attempt is not None and is_working(task, attempt):
            take_up = self._rules.take_up
            moments = (attempt.heard_at + take_up, attempt.log[0].at + task.facts.period)
            for moment in moments:
                if moment > task.now:
                    heappush(self._due, (UnixSeconds(moment), task.facts.task_id, worker))

    def excuse(self, worker: Address, task_id: TaskId) -> None:
        """Hear that a worker declines a task by its operator's choice; its report comes next."""
        task = self._engine.tasks.get(task_id)
        attempt = task.attempt(worker) if task else None
        if attempt is not None and not is_taken_up(attempt):
            self._excused.setdefault(task_id, set()).add(worker)

    def notice_silence(self) -> None:
        """Blame whoever should have done something by now, and could have said so.

        Each once, though time may have jumped over several moments at which it should have.
        """
        if not self._is_sure():
            return
        now, due = self._now(), dict[tuple[TaskId, Address], None]()
        while self._due and self._due[0][0] <= now:
            _, task_id, worker = heappop(self._due)
            due[task_id, worker] = None
        for task_id, worker in due:
            self._notice_silence(task_id, worker, now)

    def _notice_silence(self, task_id: TaskId, worker: Address, now: UnixSeconds) -> None:
        task = self._engine.tasks.get(task_id)
        attempt = task.attempt(worker) if task else None
        if task and attempt and is_working(task, attempt):
            if not is_taken_up(attempt) and (later := self._not_yet(task, attempt, now)):
                heappush(self._due, (later, task_id, worker))
                return
            late, is_here = late_at(task, attempt), self._directory.has(worker)
            if now >= late or (is_here and not is_taken_up(attempt)):
                self._blame(task, worker, TOO_SLOW if now >= late else NOT_TAKEN_UP)
            elif now >= attempt.log[0].at + task.facts.period:  # it waits for the chain
                heappush(self._due, (late, task_id, worker))

    def _not_yet(self, task: Task, attempt: Attempt, now: UnixSeconds) -> UnixSeconds | None:
        """Return when to look again at who waits, or has just waited, for a task's enclave."""
        if not task.facts.tag.needs_tee:
            return None
        since = now if awaits_enclave(task) else attempt.heard_at
        due = UnixSeconds(since + self._rules.take_up)
        return due if due > now else None

    def changed(self, task_id: TaskId) -> None:
        """Judge what has become of a task's replicates."""
        task = self._engine.tasks[task_id]
        counted = self._counted.setdefault(task_id, {})
        for attempt in task.attempts:
            found = judge(task, attempt)
            if found is not None and not _covers(counted.get(attempt.worker), found):
                counted[attempt.worker] = self._tell(task, attempt, found)
        end, before = ending(task), self._ended.get(task_id)
        if end is not None and end is not before:
            self._ended[task_id] = end
            self._judge_wish(task, end, before)
        if is_settled(task):
            self._counted.pop(task_id, None)
            self._ended.pop(task_id, None)
            self._excused.pop(task_id, None)

    def _tell(self, task: Task, attempt: Attempt, found: Judgement) -> Judgement:
        """Count a judgement; returns it, sharpened by what is known of the app."""
        newcomer = not attempt.proved
        if newcomer and found is Judgement.TASKS_FAULT and self._app_works(task):
            found = Judgement.WORKERS_FAULT
        if found is Judgement.SETTLED:
            self._directory.judged(attempt.worker, self._memory.workers.praise(attempt.worker))
        elif found is Judgement.WORKERS_FAULT and self._is_choice(task, attempt):
            known = self._memory.workers.pass_by(attempt.worker, self._now())
            self._directory.judged(attempt.worker, known)
        elif found is Judgement.WORKERS_FAULT:
            self._blame(task, attempt.worker, f"it ended as {attempt.status}")
        self.judged(task, attempt, found)
        return found

    def _is_choice(self, task: Task, attempt: Attempt) -> bool:
        """Whether an offer was declined, as its worker had said, and nothing else was done."""
        excused = self._excused.get(task.facts.task_id, ())
        return attempt.worker in excused and is_declined(attempt)

    def _app_works(self, task: Task) -> bool:
        deal = self._deals.get(task.facts.deal_id)
        apps = self._memory.apps
        return deal is not None and apps.works_for(deal.app.address, deal.requester)

    def _blame(self, task: Task, worker: Address, cause: str) -> None:
        known = self._memory.workers.blame(worker, self._now())
        self._directory.judged(worker, known)
        log.info(
            "worker_blamed_for_task",
            worker=str(worker),
            task_id=str(task.facts.task_id),
            cause=cause,
            faults=known.faults,
            rests_until=known.rests_until,
        )

    def _judge_wish(self, task: Task, end: Ending, before: Ending | None) -> None:
        """Count what a task shows of its app and its buyer."""
        deal = self._deals.get(task.facts.deal_id)
        if deal is None:
            return
        app, buyer = deal.app.address, deal.requester
        apps, requesters = self._memory.apps, self._memory.requesters
        if end is Ending.RAN:
            apps.praise(app, buyer)
            requesters.praise(buyer)
            return
        known = requesters.of(buyer)
        if _is_counted(end, before, works=apps.works_for(app, buyer)):
            apps.blame(app, buyer, self._now(), has_paid=known.settled > 0)
        if _is_counted(end, before, works=known.is_proved):
            requesters.blame(buyer, self._now())


def _is_counted(end: Ending, before: Ending | None, *, works: bool) -> bool:
    """Tell whether a failure counts, once: a proved worker's; of what works, all workers'."""
    if end is Ending.FAILED:
        return not works
    return works or before is not Ending.FAILED


def _covers(counted: Judgement | None, found: Judgement) -> bool:
    """Whether a judgement was counted before: as it is, or as the sharper one that it became."""
    sharper = (counted, found) == (Judgement.WORKERS_FAULT, Judgement.TASKS_FAULT)
    return counted is found or sharper
