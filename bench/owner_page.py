"""The page of a pool's owner: 100 workers, of which each holds a task, read over a socket.

The pool is the real scheduler on a database, over a chain in memory; who reads is this very process,
so that what is measured is the whole of an answer: made, written, sent and read.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import httpx

from bench.figures import Sample
from bench.frame import Job, Keys
from bench.simulated import SimulatedPool
from poolhand.scheduler.composition import Scheduler
from poolhand.transport.asgi import application, bind, port_of, serve_on

WORKERS: Final = 100
ROUNDS: Final = 200
TOKEN: Final = "ab" * 32


async def keys(job: Job) -> Keys:
    """Return ``owner_page``: the milliseconds of an answer, and how large it is."""
    pool = SimulatedPool(job.scaled(WORKERS))
    async with pool.served(job.home, slots=1) as scheduler:
        pool.buy(job.scaled(WORKERS))
        while scheduler.engine.index.busy < len(pool.workers):  # noqa: ASYNC110 - no event of its own
            await asyncio.sleep(0.05)
        job.say(f"{len(pool.workers)} workers at work")
        page, size = await read(scheduler, job.scaled(ROUNDS))
    return {"owner_page": {"ms_p95": round(page.p95, 1), "kb": round(size / 1000, 1)}}


async def read(scheduler: Scheduler, rounds: int) -> tuple[Sample, int]:
    """Return the milliseconds of the page's parts, and their bytes."""
    listener = bind("127.0.0.1", 0)
    url = f"http://127.0.0.1:{port_of(listener)}"
    serving = asyncio.create_task(
        serve_on(application("pool", scheduler.owner_api(url, TOKEN)), listener)
    )
    took, size = [], 0
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    try:
        async with httpx.AsyncClient(trust_env=False, timeout=60, headers=bearer) as http:
            await http.get(f"{url}/owner/parts")  # what is made by the first asking
            for _ in range(rounds):
                began = time.perf_counter()
                answer = await http.get(f"{url}/owner/parts")
                took.append((time.perf_counter() - began) * 1000)
                assert answer.status_code == 200
                size = len(answer.content)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
    return Sample.of(took), size
