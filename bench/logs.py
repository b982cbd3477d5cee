"""What an app prints, from its write to whoever reads it at the pool; and what reading costs.

A devnet's worker computes two tasks. One app prints the time five times a second: how much later
its lines are at a reader is measured, alone and while the other app prints as fast as it can and is
read, too. Between the two the pool's process is looked at without readers and with some.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import psutil

from bench.figures import Sample
from bench.frame import Job, Keys
from poolhand.client.async_client import AsyncClient
from poolhand.client.handles import AsyncTaskHandle
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import devnet

TELLER = Path(__file__).parent / "teller"
IMAGE = "poolhand/teller:1.0"
PRINTED_S = 240
"""Seconds that the apps print: longer than all looks together."""
READ_S = 30
"""Seconds of each look."""
SETTLES_S = 2.0
"""Seconds after which a reader has been told what was printed before it came."""
READERS = 8


async def keys(job: Job) -> Keys:
    slots = {"IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT": "2"}
    seconds = float(job.scaled(READ_S))
    async with devnet(DevnetPlan(job.home, 1, environment=slots), lambda _: None) as running:
        await publish(TELLER, IMAGE, running.info.registry)
        os.environ["POOLHAND_HOME"] = str(job.home)
        pool = psutil.Process(running.children["pool"].pid)
        async with AsyncClient(account="requester") as client:
            steps = await begun(client, "steps")
            alone = Sample.of(await lateness(steps, seconds))
            unread = await share(pool, seconds)
            async with read_by(steps, READERS):
                each = (await share(pool, seconds) - unread) / READERS
            flood = await begun(client, "flood")
            async with read_by(flood, 1):
                beside = Sample.of(await lateness(steps, seconds))
    job.say(
        f"a line is at its reader after {alone.p50 * 1000:.0f} ms (p95 {alone.p95 * 1000:.0f}), "
        f"beside a flood p95 {beside.p95 * 1000:.0f} ms; a reader costs {each:.4f} of a core"
    )
    return {
        "logs": {"alone": ms(alone), "beside_flood": ms(beside), "reader_share": round(each, 4)}
    }


async def begun(client: AsyncClient, kind: str) -> AsyncTaskHandle:
    """Buy a task and wait for its first line."""
    deal = await client.run(f"devnet/{IMAGE}", f"{kind} {PRINTED_S}", category=1)
    (task,) = deal.tasks
    async with aclosing(task.logs(follow=True)) as news:
        async for each in news:
            if each.lines:
                return task
    raise AssertionError(f"the app that prints {kind} ended without a line")


async def lateness(task: AsyncTaskHandle, seconds: float) -> list[float]:
    """Return how long after their writing lines came (seconds), of those written meanwhile."""
    found, began = list[float](), time.time()
    async with aclosing(task.logs(follow=True)) as news:
        async for each in news:
            now = time.time()
            written = [float(line.text.split()[1]) for line in each.lines]
            found += [now - at for at in written if at > began + SETTLES_S]
            if now > began + SETTLES_S + seconds:
                assert found, f"of {seconds} s no line came"
                return found
    raise AssertionError("the app ended before all was measured")


@asynccontextmanager
async def read_by(task: AsyncTaskHandle, readers: int) -> AsyncIterator[None]:
    """Have so many read a task, from the first line of each on."""
    told = [asyncio.Event() for _ in range(readers)]

    async def read(first: asyncio.Event) -> None:
        async with aclosing(task.logs(follow=True)) as news:
            async for each in news:
                if each.lines:
                    first.set()

    async with asyncio.TaskGroup() as group:
        reading = [group.create_task(read(each)) for each in told]
        for each in told:
            await each.wait()
        yield
        for work in reading:
            work.cancel()


async def share(process: psutil.Process, seconds: float) -> float:
    """Return the share of a core that a process takes for some seconds."""
    began, before = time.monotonic(), _cpu(process)
    await asyncio.sleep(seconds)
    return (_cpu(process) - before) / (time.monotonic() - began)


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)


def ms(found: Sample) -> Keys:
    return Sample(tuple(each * 1000 for each in found.values)).dump()
