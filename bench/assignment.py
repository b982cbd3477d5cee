"""How long a single task waits for an idle worker while 1,000 others are at work on a bag.

From the block that has the deal until the worker has the offer in its hands. Every worker of the bag
tells one stage after another, so that the pool hears some 100 reports a second and writes them down
meanwhile; a block comes every second. Sessions are in memory: a real one adds its way over the network.
"""

from __future__ import annotations

import asyncio
from itertools import count

from bench.figures import Sample
from bench.frame import Job, Keys
from bench.simulated import SimulatedPool
from bench.transitions import STAGES, Moment, blocks, stage
from poolhand.domain.ids import Address, TaskId
from poolhand.wire.messages import OfferTask, WorkerBound

OTHERS, ROUNDS = 1_000, 60
PACE, PAUSE = 10.0, 0.25
"""Seconds between two reports of a worker, and between two single tasks."""
LONGEST = 240.0
"""Seconds after which the bag counts as never given out."""


async def keys(job: Job) -> Keys:
    others, rounds = job.scaled(OTHERS), job.scaled(ROUNDS)
    pool = SimulatedPool(others + rounds)
    async with pool.served(job.home, slots=1):
        busy = Busy(pool)
        await asyncio.sleep(1)
        pool.buy(others)
        async with asyncio.timeout(LONGEST):
            await busy.given(others)
        async with asyncio.TaskGroup() as tasks:
            around = [tasks.create_task(blocks(pool)), tasks.create_task(busy.go_on())]
            found = [await _once(pool, busy) for _ in range(rounds)]
            for each in around:
                each.cancel()
    clock, work = (Sample.of(each) for each in zip(*found, strict=True))
    job.say(
        f"beside {others} at work: p50 {clock.p50 * 1000:.1f} ms, p95 {clock.p95 * 1000:.1f} ms, "
        f"{work.p95 * 1000:.1f} ms of them at work"
    )
    told = {"p50_busy": clock.p50, "p95_busy": clock.p95, "p95_busy_cpu": work.p95}
    return {"assignment_ms": {name: round(each * 1000, 2) for name, each in told.items()}}


async def _once(pool: SimulatedPool, busy: Busy) -> Moment:
    """Buy one task; return how long it takes until a worker has it."""
    await asyncio.sleep(PAUSE)
    held = len(busy.held)
    pool.buy(1)
    began = Moment.of(pool)
    async with asyncio.timeout(LONGEST):
        await busy.given(held + 1)
    return Moment.of(pool).since(began)


class Busy:
    """Workers that take what they are offered and tell how it goes, each at its own time."""

    def __init__(self, pool: SimulatedPool) -> None:
        self._pool, self._more = pool, asyncio.Event()
        self.held: dict[tuple[Address, TaskId], int] = {}
        pool.heard = self._heard

    def _heard(self, worker: Address, message: WorkerBound) -> None:
        if isinstance(message, OfferTask) and (worker, message.task_id) not in self.held:
            self.held[worker, message.task_id] = 0
            self._tell(worker, message.task_id)
            self._more.set()

    async def given(self, wanted: int) -> None:
        """Wait until so many tasks were given out."""
        while len(self.held) < wanted:
            self._more.clear()
            await self._more.wait()

    async def go_on(self) -> None:
        """Let one worker after another tell its next stage, all of them within ``PACE``."""
        for turn in count():
            everybody = tuple(self.held)
            worker, task_id = everybody[turn % len(everybody)]
            if self.held[worker, task_id] < len(STAGES):
                self._tell(worker, task_id)
            await asyncio.sleep(PACE / len(everybody))

    def _tell(self, worker: Address, task_id: TaskId) -> None:
        first = self.held[worker, task_id]
        self.held[worker, task_id] += 1
        self._pool.say(worker, stage(task_id, first))
