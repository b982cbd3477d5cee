"""A pool as placement sees it, played by a test: tasks, deals, workers, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

from placement.oracle_plan import fair_order, plan
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, ResultDigest, ResultHash, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    ContributionView,
    TaskView,
)
from poolhand.domain.placement.planner import Assignment, Planner
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.machine import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import VOUCHED, blamed, praised
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task import machine
from poolhand.domain.task.machine import Assigned, Received, Viewed
from poolhand.domain.task.model import Task, TaskFacts
from poolhand.domain.trust import Score, Trust
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, UnixSeconds

NOW, PERIOD = UnixSeconds(1_700_000_000), 300
RIGHT = ResultDigest(bytes([9] * 32))
S = Status
TO_COMPUTED = (
    S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING, S.DATA_DOWNLOADED,
    S.COMPUTING, S.COMPUTED,
)  # fmt: skip


def address(number: int) -> Address:
    return Address(number.to_bytes(20, "big"))


def deal_of(
    number=1,
    *,
    trust=1,
    size=1,
    tag=NO_TAG,
    stake=30,
    requester=0,
    at=NOW,
    price=0,
    period=PERIOD,
    params="",
) -> Deal:
    """Return a deal; its category has the number of its period."""
    nobody = Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0))
    pool = Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(price))
    who = address(requester)
    return Deal(
        DealId(number.to_bytes(32, "big")), nobody, nobody, pool, Trust(trust), period, tag, who,
        who,
        ZERO_ADDRESS, params, at, 0, size, NanoRlc(stake), 1, ZERO_ADDRESS,
    )  # fmt: skip


def tasks_of(deal: Deal, now: UnixSeconds = NOW) -> list[Task]:
    flow = Flow.CONTRIBUTE_AND_FINALIZE if deal.trust == 1 else Flow.STANDARD
    period = deal.category or PERIOD
    late, last = deal.start_time + 7 * period, deal.start_time + 10 * period
    return [
        machine.receive(
            Received(
                now,
                TaskFacts(
                    name, deal.deal_id, index, deal.trust, flow, deal.tag,
                    UnixSeconds(late), UnixSeconds(last),
                ),
            )
        )
        for index, name in deal.tasks()
    ]  # fmt: skip


def worker_of(number, *, slots=1, stake=1000, score=0, **changes) -> ConnectedWorker:
    """Return a worker that is believed to have the slots it tells of."""
    made = ConnectedWorker(address(number), f"w{number}", "1", 16, slots, 0, ())
    changes.setdefault("reputation", VOUCHED)
    return replace(made, stake=NanoRlc(stake), score=Score(score), **changes)


@dataclass
class Model:
    """Everything there is, told to a planner as it happens."""

    rules: PlacementRules = field(default_factory=PlacementRules)
    seed: int = 0
    now: UnixSeconds = NOW

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.planner = Planner(self.rules, self.chance.random)
        self.tasks: dict[TaskId, Task] = {}
        self.deals: dict[DealId, Deal] = {}
        self.workers: dict[Address, ConnectedWorker] = {}
        self.unsure: set[TaskId] = set()

    # ------------------------------------------------------------------------------ what happens

    def buy(self, deal: Deal) -> None:
        self.deals[deal.deal_id] = deal
        for task in tasks_of(deal, self.now):
            self.set(task)

    def set(self, task: Task) -> None:
        """Store a task and tell the planner; what is settled is forgotten."""
        name = task.facts.task_id
        if machine.is_settled(task):
            self.tasks.pop(name, None)
            self.planner.forget(name)
            return
        self.tasks[name] = task
        self.tell(name)

    def tell(self, name: TaskId) -> None:
        task = self.tasks[name]
        deal = self.deals.get(task.facts.deal_id)
        self.planner.hear(task, deal, sure=name not in self.unsure)

    def feed(self, name: TaskId, event: machine.TaskMachineEvent) -> None:
        self.set(machine.step(self.tasks[name], event)[0])

    def doubt(self, name: TaskId, *, unsure: bool) -> None:
        (self.unsure.add if unsure else self.unsure.discard)(name)
        self.tell(name)

    def join(self, worker: ConnectedWorker) -> None:
        self.workers[worker.worker] = worker
        self.planner.join(worker)

    def leave(self, worker: Address) -> None:
        self.workers.pop(worker, None)
        self.planner.leave(worker)

    def judge(self, worker: Address, *, fault: bool) -> None:
        known = self.workers[worker]
        now = blamed(known.reputation, self.now) if fault else praised(known.reputation)
        self.join(replace(known, reputation=now))

    def pass_time(self, seconds: int) -> None:
        self.now = UnixSeconds(self.now + seconds)
        self.planner.pass_time(self.now)
        for name in tuple(self.tasks):
            self.feed(name, machine.Ticked(self.now))

    def report(self, name: TaskId, worker: Address, *statuses: Status) -> None:
        attempt = self.tasks[name].attempt(worker)
        assert attempt is not None
        entries = tuple(Entry(each, self.now) for each in statuses)
        self.feed(name, machine.Reported(self.now, worker, attempt.reports, entries))

    def see(self, name: TaskId, status: ChainTaskStatus, contributors=()) -> None:
        """Let the chain say where a task stands, and who has contributed the right result."""
        task = self.tasks[name]
        done = {each: _contribution(name, each) for each in contributors}
        facts = task.facts
        view = TaskView(
            name, BlockNumber(self.now), self.now, status, Seconds(PERIOD),
            facts.contribution_deadline, UnixSeconds(0), facts.final_deadline,
            ResultHash(bytes(32)), 0, 0, tuple(done), ResultDigest(bytes(32)), b"", done,
        )  # fmt: skip
        self.feed(name, Viewed(self.now, view))

    # --------------------------------------------------------------------------------- the plans

    def connected(self) -> list[ConnectedWorker]:
        """Return the workers in the order that chance has given them."""
        rooms = self.planner.crew.rooms
        return sorted(self.workers.values(), key=lambda each: rooms[each.worker].chance)

    def oracle(self, *, fair: bool = True):
        """Return what the oracle assigns, and why who has nothing has nothing."""
        tasks = sorted(self.tasks.values(), key=lambda task: task.facts.deal_id)
        return plan(
            tasks,
            self.deals,
            self.connected(),
            self.unsure,
            now=self.now,
            can_initialize=self.planner.can_initialize,
            rules=self.rules,
            order=fair_order(tasks) if fair else None,
        )

    def carry_out(self, made: tuple[Assignment, ...]) -> None:
        for each in made:
            self.feed(each.task_id, Assigned(self.now, each.worker, each.weight, each.proved))


def _contribution(name: TaskId, worker: Address) -> ContributionView:
    seal = result_seal(worker, name, RIGHT)
    return ContributionView(ContributionStatus.CONTRIBUTED, result_hash(name, RIGHT), seal, 1)
