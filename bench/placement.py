"""How long one change takes to be placed, at ten thousand open tasks and ten thousand workers.

Measured over the planner alone, which decides on the loop: it is told of a change, it plans, and
counts on what it has planned. In processor time, so that what else the machine does is not measured.
The pool is full and busy: a bag of one requester beside single tasks
of many others, every worker at work, a twentieth of them without the stake.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random
from typing import Final

from bench.figures import Sample
from bench.frame import Job, Keys
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.ids import ZERO_ADDRESS, Address, DealId, TaskId
from poolhand.domain.placement.planner import Assignment, Planner
from poolhand.domain.placement.rules import PlacementRules
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.reputation import VOUCHED, Reputation
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task import machine
from poolhand.domain.task.machine import Lost, Received, Reported, TaskMachineEvent
from poolhand.domain.task.model import TaskFacts
from poolhand.domain.trust import Score, Trust
from poolhand.domain.units import NanoRlc, UnixSeconds

SIZE: Final = 10_000
ROUNDS: Final = 5_000
NOW: Final = UnixSeconds(1_700_000_000)
PERIOD: Final = 3600
SINGLES: Final = 10
"""One task of so many is bought alone."""
POOR: Final = 20
"""One worker of so many has no stake."""
S = Status
TO_COMPUTED: Final = (
    S.RUNNING, S.APP_DOWNLOADING, S.APP_DOWNLOADED, S.DATA_DOWNLOADING, S.DATA_DOWNLOADED,
    S.COMPUTING, S.COMPUTED,
)  # fmt: skip


@dataclass
class Pool:
    """A planner with twice as many open tasks as workers: half are at work, half wait."""

    size: int
    seed: int = 1

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.planner = Planner(PlacementRules(), self.chance.random)
        self.count, self.deals = 0, dict[DealId, Deal]()
        self.working: list[tuple[TaskId, Address]] = []
        for number in range(self.size):
            self.join(number)
        singles = self.size // SINGLES
        self.buy(2 * self.size - singles, requester=0)
        for number in range(singles):
            self.buy(1, requester=1 + number)
        self.plan()

    def plan(self) -> tuple[Assignment, ...]:
        """Plan, and remember who is at work."""
        made = self.planner.plan()
        self.working += [(each.task_id, each.worker) for each in made]
        return made

    def join(self, number: int) -> None:
        """Let a worker come."""
        self.planner.join(self.worker(number, VOUCHED))

    def worker(self, number: int, known: Reputation) -> ConnectedWorker:
        """Return a worker of one slot, of which so much is known."""
        name, stake = Address(number.to_bytes(20, "big")), 0 if number % POOR == 0 else 10**9
        own = NanoRlc(stake)
        return ConnectedWorker(name, "w", "1", 4, 1, 0, (), Score(0), own, reputation=known)

    def buy(self, size: int, requester: int) -> None:
        """Receive a deal."""
        nobody, self.count = Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0)), self.count + 1
        who, name = Address(requester.to_bytes(20, "big")), DealId(self.count.to_bytes(32, "big"))
        deal = self.deals[name] = Deal(
            name, nobody, nobody, nobody, Trust(1), 0, NO_TAG, who, who, ZERO_ADDRESS, "",
            NOW, 0, size, NanoRlc(30), 1, ZERO_ADDRESS,
        )  # fmt: skip
        for index, task_id in deal.tasks():
            facts = TaskFacts(
                task_id, name, index, deal.trust, Flow.STANDARD, deal.tag,
                UnixSeconds(NOW + 7 * PERIOD), UnixSeconds(NOW + 10 * PERIOD),
            )  # fmt: skip
            self.planner.hear(machine.receive(Received(NOW, facts)), deal)

    def feed(self, task_id: TaskId, event: TaskMachineEvent) -> None:
        """Let something happen to a task."""
        task = machine.step(self.planner.board.needs[task_id].task, event)[0]
        self.planner.hear(task, self.deals[task.facts.deal_id])

    def one_at_work(self) -> tuple[TaskId, Address]:
        """Take one replicate out of those at work."""
        place = self.chance.randrange(len(self.working))
        self.working[place], last = self.working[-1], self.working[place]
        self.working.pop()
        return last

    # -------------------------------------------------------------------- changes, one of each kind

    def computed(self) -> None:
        """A worker reports that it has computed, and is free."""
        task_id, worker = self.one_at_work()
        entries = tuple(Entry(each, NOW) for each in TO_COMPUTED)
        self.feed(task_id, Reported(NOW, worker, 0, entries))

    def lost(self) -> None:
        """A worker is lost with its task, and comes back."""
        task_id, worker = self.one_at_work()
        self.planner.leave(worker)
        self.feed(task_id, Lost(NOW, worker))
        self.join(int.from_bytes(worker, "big"))

    def bought(self) -> None:
        """A single task is bought, and one that is done is forgotten."""
        self.buy(1, requester=self.chance.randrange(self.size))
        task_id, _ = self.one_at_work()
        self.planner.forget(task_id)

    def arrived(self) -> None:
        """A worker comes that was not there."""
        self.count += 1
        self.join(10**9 + self.count)

    def passed(self) -> None:
        """A block."""
        self.planner.pass_time(UnixSeconds(NOW + self.count))


def measure(size: int = SIZE, rounds: int = ROUNDS) -> dict[str, float]:
    """Return ``placement_ms``: p50, p95 and p99 in milliseconds of processor time per change."""
    pool = Pool(size)
    changes = (pool.computed, pool.lost, pool.bought, pool.arrived, pool.passed)
    took = []
    for number in range(rounds):
        begun = time.process_time()
        changes[number % len(changes)]()
        pool.plan()
        took.append((time.process_time() - begun) * 1000)
    sample = Sample.of(took)
    return {**sample.dump(), "p99": round(sorted(took)[int(0.99 * len(took))], 3)}


async def keys(job: Job) -> Keys:
    return {"placement_ms": measure(job.scaled(SIZE), job.scaled(ROUNDS))}
