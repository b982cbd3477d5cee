"""What a worker's process holds in memory: fresh, and after 1,000 tasks in many small bags.

Each task has a container of its own on the real engine, and a result that is uploaded and settled,
so that nothing but the app's work is left out.
"""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import psutil

from bench.frame import Job, Keys
from bench.overhead import NOOP
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import Devnet, devnet
from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import EventKind
from poolhand.requester.main import open_requester
from poolhand.requester.requester import Requester
from poolhand.requester.wish import Wish

TASKS = 1000
BAG = 10
"""Tasks of a deal: what a worker keeps for each deal is met as often as that of each task."""
WORKER = "worker-1"
SLOTS = 2
LONGEST = 60
"""Seconds without a settled task after which something is wrong."""


async def keys(job: Job) -> Keys:
    slots = {"IEXEC_WORKER_OVERRIDE_AVAILABLE_CPU_COUNT": str(SLOTS)}
    plan = DevnetPlan(job.home, 1, environment=slots)
    async with devnet(plan, lambda _: None) as running:
        await publish(NOOP, "poolhand/noop:1.0", running.info.registry)
        async with open_requester(requester_settings(running.info, job.home)) as requester:
            image = f"{running.info.registry}/poolhand/noop:1.0"
            app = (await requester.deploy_app(image, "noop")).address
            fresh = resident(running)
            for number in range(max(1, job.scaled(TASKS) // BAG)):
                await settle(requester, Wish(app, tasks=BAG, args=f"bag {number}"))
                if number % 5 == 4:
                    job.say(f"{(number + 1) * BAG} tasks: {resident(running):.1f} MB")
            after = resident(running)
    return {"worker_rss_mb": round(fresh, 1), "worker_rss_mb_after": round(after, 1)}


async def settle(requester: Requester, wish: Wish) -> None:
    """Buy a bag and wait until all its tasks are finalized."""
    head = await requester.hub.head()
    deal = (await requester.buy(wish)).deal
    left: set[TaskId] = {name for _, name in deal.tasks()}
    async with aclosing(requester.watch.watcher.events(None, head.number)) as events:
        while left:
            event = await asyncio.wait_for(anext(events), LONGEST)
            if event.kind is EventKind.TASK_FINALIZE and event.task_id:
                left.discard(event.task_id)


def resident(running: Devnet) -> float:
    """Return the worker's resident memory (MiB)."""
    pid = running.children[WORKER].pid
    return psutil.Process(pid).memory_info().rss / 2**20 if pid else 0.0
