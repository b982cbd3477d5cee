"""Ten thousand idle workers on one pool: how long they take to connect, and what they cost."""

from __future__ import annotations

import asyncio
import resource
import time

from bench.frame import Job, Keys
from bench.lone_pool import LonePool, crowds, lone_pool

WORKERS = 10_000
SETTLE, WATCH = 10.0, 30.0
"""Seconds until everything is quiet, and over which the quiet is measured."""
TIME_LIMIT = 300.0
"""Seconds after which whoever has not connected never will."""


async def keys(job: Job) -> Keys:
    """Connect them, wait, and look at the pool's process."""
    workers = job.scaled(WORKERS)
    let_open_many()
    async with lone_pool(job.home) as pool, crowds(pool, workers) as crowd:
        began, before = time.monotonic(), pool.cpu_seconds()
        await crowd.until("connected", workers, TIME_LIMIT)
        took, cost = time.monotonic() - began, pool.cpu_seconds() - before
        connected = int(crowd.total("connected"))
        job.say(f"{connected} of {workers} connected in {took:.1f} s ({cost:.1f} s of processor)")
        share = await _share(pool)
        found = {
            "workers": int(crowd.total("connected")),
            "connect_s": round(took, 1),
            "connect_cpu_s": round(cost, 1),
            "core_share": round(share, 3),
            "rss_mb": round(pool.rss_mb()),
        }
        return {"idle": found}


async def _share(pool: LonePool) -> float:
    await asyncio.sleep(SETTLE)
    began, before = time.monotonic(), pool.cpu_seconds()
    await asyncio.sleep(WATCH)
    return (pool.cpu_seconds() - before) / (time.monotonic() - began)


def let_open_many() -> None:
    """Open as many files as this system lets us; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
