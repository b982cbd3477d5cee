"""Ten times the tasks and workers, and hardly more work for the scheduler per event: counted, not timed."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from pool_world import first_task

from network.links import capabilities
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.machine import Received
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.scheduler.idle_news import AT_ONCE
from poolhand.scheduler.preflight import Asked
from poolhand.transport.session_hub import Arrival
from poolhand.wire.messages import Capacity, Reported, StatusReport
from work import counted

FEW = 40
"""Workers, of which more are told why they are idle than with one plan: it is the same for more."""
MOST = 1.3


async def crowded(pool, times):
    """Return a pool with workers at work and tasks that wait, so many times as few as there are."""
    world = await pool(preflight=True)
    workers = [await world.hired() for _ in range(FEW * times)]
    await world.deal(tasks=(FEW + 10) * times)
    for _ in range(FEW * times // AT_ONCE + 2):  # until all have been told why they are idle
        world.scheduler.placement.wake()
        await world.settle()
    return world, workers


async def work_of(event):
    """Count until what an event leads to is done."""
    with counted() as work:
        await event
        for _ in range(30):
            await asyncio.sleep(0)
    return work.count


async def log_in(world, _workers):
    puppet = world.hire()
    can = capabilities(puppet)
    arrival = Arrival(puppet.address, can, (), "memory", world.clock.now())
    world.scheduler.workers.connected(arrival)
    world.scheduler.workers.received(puppet.address, Capacity("no"))


async def report(world, workers):
    (task,) = world.scheduler.engine.tasks_of(workers[0].address)
    status = StatusReport(Status.RUNNING, world.clock.now(), None, None)
    message = Reported(task.facts.task_id, 0, (status,), None)
    world.scheduler.workers.received(workers[0].address, message)


async def lose(world, workers):
    world.scheduler.workers.lost(workers[0].address)


async def head(world, _workers):
    await world.scheduler.deadlines.pass_time(UnixSeconds(world.chain.head.timestamp + 1))


async def receive(world, _workers):
    known = world.task(first_task(world.deals[0]))
    facts = replace(known.facts, task_id=TaskId(bytes([77] * 32)), index=10**6)
    world.scheduler.engine.receive(Received(known.now, facts))


async def show_counts(world, _workers):
    index = world.scheduler.engine.index
    assert world.scheduler.gas_budget.reserve >= 0
    assert len(index.open) >= FEW


async def sell(world, _workers):
    preflight = world.scheduler.preflight
    await preflight.check(Asked(0, Trust(1)), NanoRlc(1))
    assert preflight.highest_trust > 1
    assert preflight.obstacle(world.deals[0], {_workers[0].address}) is None


@pytest.mark.parametrize("event", [log_in, report, lose, head, receive, show_counts, sell])
async def test_ten_times_the_pool_is_hardly_more_work_per_event(pool, event):
    few, many = [await work_of(event(*await crowded(pool, times))) for times in (1, 10)]
    assert many <= MOST * few
