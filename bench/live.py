"""What it costs a worker to be watched: its page in a browser, and ``worker top``.

A devnet's worker computes two tasks whose apps print five lines a second, which is what changes
most. Its process is looked at while nobody watches, while one page does, and while one terminal
does; what is told is the share of a core that watching costs more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import httpx
import psutil

from bench.frame import Job, Keys
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import Devnet, devnet
from poolhand.domain.replicate.status import Status
from poolhand.requester.main import open_requester
from poolhand.requester.wish import Wish
from poolhand.worker.pid_file import PidFile, read

CHATTY = Path(__file__).parent / "chatty"
WORKER = "worker-1"
SLOTS = 2
WATCHED_S = 20.0
"""Seconds of each look."""
ROUNDS = 3
COMPUTED_S = 240
"""Seconds that the apps print: longer than all looks together."""
LONGEST_S = 60.0
"""Seconds after which a worker that does not compute never will."""


async def keys(job: Job) -> Keys:
    slots = {"IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT": str(SLOTS)}
    async with devnet(DevnetPlan(job.home, 1, environment=slots), lambda _: None) as running:
        await publish(CHATTY, "poolhand/chatty:1.0", running.info.registry)
        async with open_requester(requester_settings(running.info, job.home)) as requester:
            image = f"{running.info.registry}/poolhand/chatty:1.0"
            app = (await requester.deploy_app(image, "chatty")).address
            await requester.buy(Wish(app, tasks=SLOTS, args=str(COMPUTED_S), category=1))
        pid_file = read(job.home / "workers" / WORKER)
        assert pid_file is not None
        async with asyncio.timeout(LONGEST_S):
            await _all_slots_compute(pid_file)
        return {"live": await _shares(running, pid_file, job)}


async def _all_slots_compute(pid_file: PidFile) -> None:
    async with httpx.AsyncClient() as http:
        while True:
            told = (await http.get(f"{pid_file.url}/v1/status")).json()["replicates"]
            if sum(each["status"] == Status.COMPUTING for each in told) == SLOTS:
                return
            await asyncio.sleep(0.5)


async def _shares(running: Devnet, pid_file: PidFile, job: Job) -> dict[str, float]:
    """Return what each way of watching costs: the median of some rounds."""
    pid = running.children[WORKER].pid
    assert pid is not None
    process, page, terminal = psutil.Process(pid), list[float](), list[float]()
    for _ in range(job.scaled(ROUNDS)):
        alone = await _share(process)
        async with _watching(pid_file, "page/live"):
            page.append(await _share(process) - alone)
        async with _watching(pid_file, "v1/live/events"):
            terminal.append(await _share(process) - alone)
        job.say(f"a core: {alone:.4f} alone, page {page[-1]:+.4f}, terminal {terminal[-1]:+.4f}")
    return {"page_share": round(median(page), 4), "terminal_share": round(median(terminal), 4)}


@asynccontextmanager
async def _watching(pid_file: PidFile, what: str) -> AsyncIterator[None]:
    """Have somebody read all that is told meanwhile."""
    headers = {"Authorization": f"Bearer {pid_file.token}"}
    async with (
        httpx.AsyncClient(timeout=None, headers=headers) as http,
        http.stream("GET", f"{pid_file.url}/{what}") as answer,
        asyncio.TaskGroup() as reading,
    ):
        answer.raise_for_status()
        reader = reading.create_task(_read(answer))
        yield
        reader.cancel()


async def _read(answer: httpx.Response) -> None:
    async for _ in answer.aiter_raw():
        pass


async def _share(process: psutil.Process) -> float:
    began, before = time.monotonic(), _cpu(process)
    await asyncio.sleep(WATCHED_S)
    return (_cpu(process) - before) / (time.monotonic() - began)


def _cpu(process: psutil.Process) -> float:
    used = process.cpu_times()
    return float(used.user + used.system)
