"""How long a worker that falls silent holds up its task.

The worker is frozen, not killed: its sockets stay open and nothing tells the pool that it is gone,
so what is measured is the lease and everything behind it, up to another worker's having begun.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from bench.figures import Sample
from bench.frame import Job, Keys
from poolhand.devnet.demo import requester_settings
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.up import Devnet, devnet
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.status import Status
from poolhand.requester.main import open_requester
from poolhand.requester.requester import NoSuchTask, Requester
from poolhand.requester.watching import Outcome, TaskProgress
from poolhand.requester.wish import Wish

SLOW = Path(__file__).parent / "slow"
ROUNDS = 3
PACE = 0.05
"""Seconds between two looks; what is measured is no more exact."""
LONGEST = 120
"""Seconds after which a condition counts as never met."""


@dataclass(frozen=True)
class Replaced:
    """Seconds from the freezing of a worker to another's having the task, and to its end."""

    replaced_s: float
    finished_s: float


async def keys(job: Job) -> Keys:
    silent = await measure(job.home, job.say, job.scaled(ROUNDS))
    return {"lost_worker_replaced_s": Sample.of(each.replaced_s for each in silent).dump()}


async def measure(home: Path, say: Callable[[str], None], rounds: int) -> list[Replaced]:
    """Freeze the worker that computes, once per round, on a fresh devnet of two."""
    found = []
    async with devnet(DevnetPlan(home, workers=2), lambda _: None) as running:
        await publish(SLOW, "poolhand/slow:1.0", running.info.registry)
        async with open_requester(requester_settings(running.info, home)) as requester:
            image = f"{running.info.registry}/poolhand/slow:1.0"
            app = (await requester.deploy_app(image, "slow")).address
            for turn in range(rounds):
                found.append(await _once(running, requester, Wish(app, args=f"{turn}")))
                say(f"lost worker: replaced after {found[-1].replaced_s:.1f} s")
    return found


async def _once(running: Devnet, requester: Requester, wish: Wish) -> Replaced:
    loop = asyncio.get_running_loop()
    deal = (await requester.buy(wish)).deal
    (_, task_id) = next(deal.tasks())
    first = await _when(requester, task_id, lambda task: _at(task, Status.COMPUTING))
    frozen = _process(running, first)
    frozen.send_signal(signal.SIGSTOP)
    since = loop.time()
    try:
        await _when(requester, task_id, lambda task: _begun(task, first))
        replaced = loop.time() - since
        await _when(requester, task_id, lambda task: task.outcome is Outcome.COMPLETED)
        return Replaced(replaced, loop.time() - since)
    finally:
        frozen.send_signal(signal.SIGCONT)


def _at(task: TaskProgress, status: Status) -> Address | None:
    news = task.news.replicates if task.news else ()
    return next((each.worker for each in news if each.status is status), None)


def _begun(task: TaskProgress, first: Address) -> bool:
    """Whether another worker has confirmed that it takes the task."""
    news = task.news.replicates if task.news else ()
    return any(each.worker != first and len(each.history) > 1 for each in news)


async def _when(requester, task_id: TaskId, met):
    """Look at a task until a condition is met; returns what it returned."""
    async with asyncio.timeout(LONGEST):
        while True:
            with suppress(NoSuchTask):  # the pool may not have heard of its deal yet
                found = met((await requester.look_at_task(task_id)).tasks[0])
                if found:
                    return found
            await asyncio.sleep(PACE)


def _process(running: Devnet, worker: Address) -> psutil.Process:
    accounts = running.info.accounts.items()
    name = next(name for name, each in accounts if Address.parse(each.address) == worker)
    return psutil.Process(running.children[name].pid)
