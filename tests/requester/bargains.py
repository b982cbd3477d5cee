"""Deals in a market, and workers that do their tasks by hand."""

from __future__ import annotations

from hashlib import sha256

from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest
from poolhand.domain.onchain import Contribute, Finalize, Initialize, Reveal
from poolhand.keys.wallet import Wallet

WORKER = Wallet.from_key(bytes([3] * 32))
OUTPUT = b"whale 42\n"
LINK = b'{"storage": "poolhand", "location": "/v1/results/1"}'


async def bought(market, tasks=1, initialize=True, **terms):
    """Buy; return the deal and its tasks' ids."""
    deal = (await market.requester().buy(await market.wish(tasks=tasks, **terms))).deal
    if initialize:
        await market.chain.sender(market.pool.owner).send(
            f"init:{deal.deal_id}", Initialize(tuple((deal.deal_id, i) for i, _ in deal.tasks()))
        )
    return deal, [task_id for _, task_id in deal.tasks()]


async def contribute(market, task_id, output=OUTPUT, worker=WORKER):
    digest = ResultDigest(sha256(output).digest())
    market.chain.fund(worker.address, stake=100 * 10**9)
    signed = market.pool.owner.sign_authorization(worker.address, task_id, ZERO_ADDRESS)
    seal = result_seal(worker.address, task_id, digest)
    call = Contribute(task_id, result_hash(task_id, digest), seal, signed)
    return await market.chain.sender(worker).send(f"contribute:{task_id}", call)


async def reveal(market, task_id, output=OUTPUT, worker=WORKER):
    call = Reveal(task_id, ResultDigest(sha256(output).digest()))
    return await market.chain.sender(worker).send(f"reveal:{task_id}", call)


async def finalize(market, task_id, link=LINK):
    owner = market.chain.sender(market.pool.owner)
    return await owner.send(f"finalize:{task_id}", Finalize(task_id, link, b""))


async def compute(market, task_id, output=OUTPUT, link=LINK):
    """Let one worker do a task of trust 1 from contribution to finalization."""
    await contribute(market, task_id, output)
    await reveal(market, task_id, output)
    await finalize(market, task_id, link)
