"""A pool killed under 10,000 connected workers that hold 1,000 replicates, and started again.

Whole is it when every worker is connected again. Lost is a replicate that the pool takes away from
its worker, then or within ``AFTER`` seconds: longer than it waits for those who do not come back.
"""

from __future__ import annotations

import asyncio
import signal
import time

from bench.crowd import wallet_of
from bench.frame import Job, Keys
from bench.idle import let_open_many
from bench.lone_market import endow, lone_market
from bench.lone_pool import Crowds, LonePool, crowds, lone_pool

WORKERS, HELD = 10_000, 1_000
LONGEST = 300.0
"""Seconds after which what has not come never will."""
AFTER = 45.0


async def keys(job: Job) -> Keys:
    workers, held = job.scaled(WORKERS), job.scaled(HELD)
    let_open_many()
    addresses = [wallet_of(number).address for number in range(held)]
    trusted = {"POOLHAND_TRUSTED_WORKERS": ",".join(map(str, addresses))}
    async with lone_pool(job.home, environment=trusted) as pool:
        await endow(pool, addresses)  # the others lack stake, so that these alone get work
        async with lone_market(pool) as market, crowds(pool, workers) as crowd:
            await crowd.until("connected", workers, LONGEST)
            await market.buy(held)
            await crowd.until("held", held, LONGEST)
            job.say(f"{crowd.total('connected'):.0f} connected, {crowd.total('held'):.0f} held")
            took = await _restart(job, pool, crowd, workers)
            await asyncio.sleep(AFTER)
            lost = held - int(crowd.total("held"))
    return {"restart": {"seconds": round(took, 1), "lost": lost}}


async def _restart(job: Job, pool: LonePool, crowd: Crowds, workers: int) -> float:
    """Kill the pool and start it; return seconds until every worker is back."""
    before, began = crowd.total("welcomes"), time.monotonic()
    await pool.child.end(signal.SIGKILL)
    await pool.child.start()
    await pool.child.ready()
    served = time.monotonic() - began
    await crowd.until("welcomes", before + workers, LONGEST)
    took = time.monotonic() - began
    back = crowd.total("welcomes") - before
    job.say(
        f"{back:.0f} of {workers} back after {took:.1f} s; the pool served after {served:.1f} s "
        f"and had used {pool.cpu_seconds():.1f} s of processor by then"
    )
    return took if back >= workers else LONGEST
