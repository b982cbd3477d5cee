"""How a pool does, in a few figures, told from what is counted anyway."""

from __future__ import annotations

import httpx
from pool_world import TO_COMPUTED, first_task

from poolhand.transport.asgi import application
from poolhand.transport.pool_client import PoolClient

URL = "http://pool.test"


async def test_load_success_and_policy_are_told_as_tasks_come_and_go(pool):
    world = await pool(quick=True)
    app = application("Poolhand pool", world.scheduler.api(URL))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as http:
        client = PoolClient(http, URL)
        fresh = await client.summary()
        assert (fresh.slots, fresh.busy, fresh.completed, fresh.failed) == (0, 0, 0, 0)
        assert (fresh.success_rate, fresh.median_seconds) == (None, None)
        worker = await world.hired(slots=3)
        task = first_task(await world.deal())
        await world.step()
        at_work = await client.summary()
        assert (at_work.slots, at_work.busy) == (3, 1)
        await worker.reports(task, *TO_COMPUTED)
        assert (await client.summary()).busy == 0  # it waits for the chain, and the slot is free
        policy = world.chain.state.pools[world.workerpool]
        assert at_work.scheduler_percent == policy.scheduler_percent
        assert at_work.worker_stake_percent == policy.worker_stake_percent
        await worker.leaves()
        await world.pass_to(world.deals[0].start_time + 10 * 300)
        await world.done()
        ended = await client.summary()
        assert (ended.slots, ended.busy) == (0, 0)
        assert (ended.completed, ended.failed, ended.success_rate) == (0, 1, 0.0)
        assert task not in world.scheduler.engine.index.open
