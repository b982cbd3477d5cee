"""A bag of 1,000 tasks and one of 10,000 on the real contracts, from the deal to the last payment.

Blocks of 30 M gas come every 5 s. Workers enough, for they compute nothing: each tells every status,
and contributes and settles with a transaction of its own (``bench.settlers``). So what is measured is
the pool: how soon it offers, and how full it keeps the blocks. The price of gas is held, for so many
full blocks would raise it without end. The pool's processor time says what it would do on a machine
of its own.
"""

from __future__ import annotations

import time

from bench.bag_watch import BagWatch
from bench.crowd import wallet_of
from bench.frame import Job, Keys
from bench.idle import let_open_many
from bench.lone_market import LoneMarket, endow, lone_market
from bench.lone_pool import LonePool, crowds, lone_pool
from poolhand.devnet.rpc import NodeRpc

BAGS = (1_000, 10_000)
WORKERS, SLOTS = 1_000, 2
"""So that every task of the larger bag may wait for the chain at once: 8 of each slot do."""
BLOCK_TIME = 5
LONGEST = {1_000: 400.0, 10_000: 2_400.0}
"""Seconds after which what has not been paid never will."""
CONNECTING = 120.0


async def keys(job: Job) -> Keys:
    let_open_many()
    workers = job.scaled(WORKERS)
    addresses = [wallet_of(number).address for number in range(workers)]
    trusted = {"POOLHAND_TRUSTED_WORKERS": ",".join(map(str, addresses))}
    found: Keys = {}
    async with lone_pool(job.home, BLOCK_TIME, trusted) as pool:
        await endow(pool, addresses)
        async with (
            lone_market(pool) as market,
            crowds(pool, workers, slots=SLOTS, program="bench.settlers") as crowd,
        ):
            await crowd.until("connected", workers, CONNECTING)
            for bag in BAGS:
                found[str(bag)], share = await _one(job, pool, market, bag)
                found["gas_share"] = share
            job.say(f"{crowd.total('reverted'):.0f} contributions were refused by the contract")
    return {"bag": found}


async def _one(job: Job, pool: LonePool, market: LoneMarket, bag: int) -> tuple[Keys, float]:
    """Buy a bag and follow it; returns its members, and the share of gas used."""
    tasks = job.scaled(bag)
    began, before = time.monotonic(), pool.cpu_seconds()
    bought = await market.buy(tasks)
    async with NodeRpc(pool.node.url) as rpc:
        watch = BagWatch(rpc, pool.deployed.hub, bought.block)
        try:
            await watch.follow(tasks, LONGEST[bag])
        finally:
            job.say(f"{watch.begun} begun, {watch.paid} paid of {tasks}")
    share = (pool.cpu_seconds() - before) / (time.monotonic() - began)
    job.say(
        f"bag of {tasks}: initialized {watch.initialized_s} s, paid {watch.paid_s} s, gas "
        f"{watch.gas_share:.2f}, pool {share:.2f} of a core"
    )
    told = {"initialized_s": watch.initialized_s, "paid_s": watch.paid_s}
    return {**told, "core_share": round(share, 2)}, round(watch.gas_share, 2)
