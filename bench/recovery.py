"""Starting a pool that has settled 1,000,000 tasks and has 1,000 open, on a database on disk.

From the start of the process to the line that says that it serves: what was read from the journal is
caught up with the chain by then. The open tasks are a bag on a real chain, held by workers that are
gone; the past is rows.
"""

from __future__ import annotations

import asyncio
import time

from bench.crowd import wallet_of
from bench.frame import Job, Keys
from bench.idle import let_open_many
from bench.lone_market import endow, lone_market
from bench.lone_pool import LonePool, crowds, lone_pool
from bench.past import write_past

SETTLED, OPEN = 1_000_000, 1_000
LONGEST = 120.0
"""Seconds after which what has not come never will."""


async def keys(job: Job) -> Keys:
    settled, held = job.scaled(SETTLED), job.scaled(OPEN)
    let_open_many()
    async with lone_pool(job.home, block_time=1) as pool:
        await _open_some(pool, held)
        await pool.child.stop()
        began = time.monotonic()
        await asyncio.to_thread(write_past, f"sqlite:///{job.home / 'pool.db'}", settled)
        job.say(f"{settled} settled tasks written in {time.monotonic() - began:.0f} s")
        began = time.monotonic()
        await pool.child.start()
        await pool.child.ready()
        took = time.monotonic() - began
        job.say(f"serves after {took:.2f} s, {pool.cpu_seconds():.2f} s of processor")
    return {"recovery_s": round(took, 2)}


async def _open_some(pool: LonePool, held: int) -> None:
    """Have workers hold a bag, and go."""
    addresses = [wallet_of(number).address for number in range(held)]
    await endow(pool, addresses)
    async with lone_market(pool) as market, crowds(pool, held) as crowd:
        await crowd.until("connected", held, LONGEST)
        await market.buy(held)
        await crowd.until("held", held, LONGEST)
