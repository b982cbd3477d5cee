"""How many moves of replicates a pool takes and writes down per second, and how long its loop stalls.

A bag is bought; every worker is given its share and reports stage after stage, each report once the
one before was acknowledged. A move is a report that was acknowledged (so it is durable) or an
assignment. The workers' own side, encoding and all, runs in the same loop: a pool alone does more.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import NamedTuple

from bench.frame import Job, Keys
from bench.simulated import SimulatedPool
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import UnixSeconds
from poolhand.wire.messages import (
    AcknowledgeReports,
    OfferTask,
    ReportBatch,
    StatusReport,
    WorkerBound,
)

WORKERS, SLOTS, TASKS = 500, 10, 5_000
LONGEST = 900.0
"""Seconds after which what has not moved never will."""
STAGES = (
    Status.RUNNING, Status.APP_DOWNLOADING, Status.APP_DOWNLOADED, Status.DATA_DOWNLOADING,
    Status.DATA_DOWNLOADED, Status.COMPUTING, Status.COMPUTED, Status.RESULT_UPLOADING,
    Status.RESULT_UPLOADED, Status.CAN_CONTRIBUTE, Status.CONTRIBUTING,
)  # fmt: skip
"""What a worker tells before it needs the chain."""
TICK = 0.001


async def keys(job: Job) -> Keys:
    pool = SimulatedPool(job.scaled(WORKERS))
    async with pool.served(job.home, SLOTS):
        moves = Moves(pool, job.scaled(TASKS))
        await asyncio.sleep(1)  # all have arrived and were appraised
        watch = asyncio.create_task(stalls(pool))
        began = Moment.of(pool)
        pool.buy(moves.wanted)
        mining = asyncio.create_task(blocks(pool))
        async with asyncio.timeout(LONGEST):
            await moves.all_done.wait()
        took = Moment.of(pool).since(began)
        watch.cancel()
        mining.cancel()
        longest, computing = await watch
        await asyncio.gather(mining, return_exceptions=True)
    job.say(
        f"{moves.count} moves in {took.clock:.1f} s, {took.work:.1f} s of them at work; longest "
        f"stall {longest * 1000:.0f} ms, {computing * 1000:.0f} ms at work"
    )
    rates = {"per_s": moves.count / took.clock, "per_cpu_s": moves.count / took.work}
    stall = {"stall_ms": longest * 1000, "stall_cpu_ms": computing * 1000}
    return {"transitions": {name: round(found, 1) for name, found in {**rates, **stall}.items()}}


class Moment(NamedTuple):
    """Seconds by the clock, and of the loop's processor time, without the fake chain's part."""

    clock: float
    work: float

    @classmethod
    def of(cls, pool: SimulatedPool) -> Moment:
        return cls(time.perf_counter() - pool.chain_s, time.thread_time() - pool.chain_cpu_s)

    def since(self, before: Moment) -> Moment:
        return Moment(self.clock - before.clock, self.work - before.work)


class Moves:
    """Plays the workers' part, and counts."""

    def __init__(self, pool: SimulatedPool, wanted: int) -> None:
        self._pool, self.wanted, self.count, self._ended = pool, wanted, 0, 0
        self._told: defaultdict[tuple[Address, TaskId], int] = defaultdict(int)
        self.all_done = asyncio.Event()
        pool.heard = self._heard

    def _heard(self, worker: Address, message: WorkerBound) -> None:
        match message:
            case OfferTask(task_id) if not self._told[worker, task_id]:
                self.count += 1
                self._tell(worker, task_id)
            case AcknowledgeReports(task_id, count) if count == self._told[worker, task_id]:
                self.count += 1
                self._go_on(worker, task_id, count)

    def _go_on(self, worker: Address, task_id: TaskId, count: int) -> None:
        if count < len(STAGES):
            self._tell(worker, task_id)
            return
        self._ended += 1
        if self._ended >= self.wanted:
            self.all_done.set()

    def _tell(self, worker: Address, task_id: TaskId) -> None:
        first = self._told[worker, task_id]
        self._told[worker, task_id] += 1
        self._pool.say(worker, stage(task_id, first))


def stage(task_id: TaskId, number: int) -> ReportBatch:
    """Return the report of one of ``STAGES``, as a worker makes it now."""
    report = StatusReport(STAGES[number], UnixSeconds(int(time.time())), None, None)
    return ReportBatch(task_id, number, (report,), None)


async def blocks(pool: SimulatedPool) -> None:
    """Mine a block per second, as the network does meanwhile."""
    while True:
        await asyncio.sleep(1)
        with pool.apart():
            pool.chain.mine()


async def stalls(pool: SimulatedPool) -> Moment:
    """Watch the loop until cancelled; return its longest stall (s) that the pool had a part in.

    What other programs take of this machine is in what the clock tells; what the loop waits for a
    disk is not in the processor's time.
    """
    longest = Moment(0.0, 0.0)
    try:
        while True:
            before = Moment.of(pool)
            await asyncio.sleep(TICK)
            took = Moment.of(pool).since(before)
            longest = Moment(max(longest.clock, took.clock - TICK), max(longest.work, took.work))
    except asyncio.CancelledError:
        return longest
