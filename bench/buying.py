"""What buying in the market takes longer than with an order of a pool that one knows.

Measured from the purchase to the match that waits at the node, while no block comes: the wait for
the block that takes it is the same for both. Everything is real, and on one machine; processor time
is that of the buyer's process, in which this devnet's files are served and the node is asked, too.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field, replace
from statistics import median

from bench.frame import Job, Keys
from bench.overhead import NOOP
from poolhand.devnet.demo import for_sale, requester_settings
from poolhand.devnet.images import publish
from poolhand.devnet.plan import DevnetPlan
from poolhand.devnet.rpc import NodeRpc
from poolhand.devnet.up import Devnet, devnet
from poolhand.domain.ids import Address
from poolhand.domain.trust import Trust
from poolhand.requester.main import open_requester
from poolhand.requester.requester import Requester
from poolhand.requester.wish import Wish

WORKERS = 2
ROUNDS = 10
"""Of each way, one after the other in turn."""
PACE = 0.01
"""Seconds between two looks at the node; what is measured is no more exact."""


@dataclass
class Taken:
    """What purchases of one way took, in seconds: by the clock, and of the processor."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


async def keys(job: Job) -> Keys:
    """Buy a task from the pool that is known, then one in the market, again and again."""
    async with devnet(DevnetPlan(job.home, WORKERS), lambda _: None) as running:
        info = running.info
        await publish(NOOP, "poolhand/noop:1.0", info.registry)
        known = requester_settings(info, job.home)
        unknown = replace(known, pool_url=None, market_url=info.market_url)
        async with open_requester(known) as acquainted, open_requester(unknown) as stranger:
            image = f"{info.registry}/poolhand/noop:1.0"
            app = (await acquainted.deploy_app(image, "noop")).address
            ways = {"pool": acquainted, "market": stranger}
            taken = {name: Taken() for name in ways}
            for turn in range(job.scaled(ROUNDS) + 1):
                for name, requester in ways.items():
                    pool = Address.parse(info.workerpool)
                    await for_sale(stranger.market, pool, Trust(1))
                    found = await _until_sent(running, requester, Wish(app, args=f"{name} {turn}"))
                    if turn:  # the first of each warms up
                        taken[name].clock.append(found[0])
                        taken[name].processor.append(found[1])
                        job.say(f"{name:>6}: {found[0]:.3f} s, {found[1]:.3f} s of a core")
    return {"buying": _figures(taken["pool"], taken["market"])}


def _figures(pool: Taken, market: Taken) -> Keys:
    clock = [median(each.clock) for each in (pool, market)]
    processor = [median(each.processor) for each in (pool, market)]
    return {
        "pool_s": round(clock[0], 3),
        "market_s": round(clock[1], 3),
        "more_s": round(clock[1] - clock[0], 3),
        "more_cpu_ms": round(1000 * (processor[1] - processor[0]), 1),
    }


async def _until_sent(running: Devnet, requester: Requester, wish: Wish) -> tuple[float, float]:
    """Buy one task, and see it to its end; returns what it took until its match was at the node."""
    who = str(requester.wallet.address)
    async with NodeRpc(running.node.url) as rpc:
        before = await _sent(rpc, who)
        async with running.node.without_blocks():
            began, worked = time.perf_counter(), time.process_time()
            buying = asyncio.create_task(requester.buy(wish))
            while await _sent(rpc, who) == before and not buying.done():  # noqa: ASYNC110
                await asyncio.sleep(PACE)
            taken = time.perf_counter() - began, time.process_time() - worked
        bought = await buying
    async for _ in requester.watch.follow_deal(bought.deal):
        pass
    return taken


async def _sent(rpc: NodeRpc, who: str) -> int:
    return int(await rpc.call("eth_getTransactionCount", who, "pending"), 16)
