"""A pool with workers at work and tasks that wait: some, and ten times as many, to count work."""

from __future__ import annotations

import asyncio
from typing import Final

from network.world import RLC
from poolhand.domain.replicate.status import Status
from poolhand.scheduler.appraisal import WORKERS_READ_IN_TURN
from poolhand.scheduler.idle_news import IDLE_WORKERS_PER_PLAN, RECOUNT
from work import counted

FEW: Final = max(IDLE_WORKERS_PER_PLAN, WORKERS_READ_IN_TURN) + 10
"""Workers: more than are told or read at once, which is the same for more."""
WAITING: Final = 50
"""Tasks that wait where there are so few workers: with the others, more than a drain looks at."""
BLOCKS: Final = 10
"""After which the accounts of all have been read, and no moment of what they have just said is due:
what is due for all of them at once is done at once."""
MOST: Final = 1.3
"""Times the work that ten times the pool may be."""
FAKES: Final = ("/poolhand/chain/fake/", "/poolhand/store/memory.py")
"""What they do of themselves is not counted."""


async def crowded(pool, times):
    """Return a pool with workers at work and tasks that wait, so many times as few as there are."""
    world = await pool(preflight=True, tasks_per_requester=10**6)
    workers = [await world.hired() for _ in range(FEW * times)]
    world.chain.fund(world.requester.address, stake=10**6 * RLC)
    world.total = world.chain.total_nrlc()
    await world.deal(tasks=(FEW + WAITING) * times)
    await world.step()
    while world.chain.pool:
        await world.step()
    for each in workers:  # else all would be found silent by the same block
        (task,) = world.scheduler.engine.tasks_of(each.address)
        await each.reports(task.facts.task_id, Status.RUNNING)
    for _ in range(BLOCKS):
        await world.step()
    return world, workers


async def quiet(world):
    """Let all be told why they are idle: some are with each plan, where the counts have changed."""
    await world.step(RECOUNT)
    for _ in range(len(world.scheduler.directory) // IDLE_WORKERS_PER_PLAN + 2):
        world.scheduler.placement.wake()
        await world.settle()


def same(count):
    """Return how much it may be where nothing grows: less than an instruction for each worker more."""
    return count + 500 + count // 100


async def work_of(event):
    """Count until what an event leads to is done."""
    with counted(*FAKES) as work:
        await event
        for _ in range(40):
            await asyncio.sleep(0)
    return work.count
