"""A worker whose pool is dead or says nothing: the chain alone tells it what comes next."""

from __future__ import annotations

import asyncio

from scripted_pool import ScriptedPool

from poolhand.domain.hashes import result_hash, result_seal
from poolhand.domain.ids import ZERO_ADDRESS, ResultDigest
from poolhand.domain.onchain import ChainTaskStatus, Claim, Contribute, ContributionStatus
from poolhand.domain.replicate.status import Status


async def test_a_worker_reveals_and_is_paid_though_its_pool_is_dead(pool):
    task = await pool.contributed(trust=1)
    await pool.member.disconnected("the pool is dead", 30.0)
    await pool.blocks(2)
    assert pool.contribution(task).status is ContributionStatus.PROVED
    assert pool.replicate(task).status is Status.REVEALED
    pool.finalize(task)
    await pool.blocks(1)
    assert pool.path(task)[-1] == "COMPLETED"
    assert not pool.files(task).exists()
    assert pool.replicate(task) is not None  # its end is yet to be told
    await pool.acknowledges(task)
    await pool.blocks(20)  # until no re-organisation can take it back
    assert pool.replicate(task) is None


async def test_events_that_get_lost_are_made_up_for_by_a_patrol(pool):
    class Deaf:
        heads = pool.chain.watcher.heads
        trouble = ""

        async def events(self, *_):
            await asyncio.Event().wait()
            yield

    pool.node.watcher = Deaf()
    await pool.restarts_worker()
    await pool.greets()
    task = await pool.offered()
    await pool.blocks(30)
    assert pool.contribution(task).status is ContributionStatus.PROVED


async def test_a_task_that_is_claimed_ends_the_replicate(pool):
    task = await pool.contributed(trust=10)
    await pool.blocks(1, seconds=3000)
    pool.chain.submit(pool.owner.address, Claim((task,)))
    await pool.blocks(1)
    assert pool.path(task)[-1] == "FAILED"
    assert not pool.files(task).exists()


async def test_a_consensus_on_another_result_ends_the_replicate(pool):
    pool.node.runtime.gate.clear()
    task = await pool.offered()
    rival, other = pool.world.requester, ResultDigest(bytes([9] * 32))
    signed = pool.owner.sign_authorization(rival.address, task, ZERO_ADDRESS)
    seal = result_seal(rival.address, task, other)
    pool.chain.submit(rival.address, Contribute(task, result_hash(task, other), seal, signed))
    await pool.blocks(1)
    assert pool.path(task)[-1] == "ABORTED_ON_CONSENSUS_REACHED"
    assert pool.chain_status(task) is ChainTaskStatus.REVEALING


async def test_an_empty_wallet_parks_the_stage_until_it_is_refilled(tmp_path):
    pool = ScriptedPool(tmp_path)
    await pool.opens()
    task = await pool.offered(active=False)
    pool.chain.gas_price = 10
    pool.initialize(pool.world.deals[0])
    await pool.blocks(15)
    assert pool.path(task)[-1] == "OUT_OF_GAS"
    before = len(pool.path(task))
    pool.chain.fund(pool.node.address, coin=10 * 750_000)
    await pool.blocks(3)
    assert pool.path(task)[before:][:2] == ["CONTRIBUTING", "CONTRIBUTED"]
    pool.chain.fund(pool.node.address, coin=10 * 300_000)
    await pool.blocks(3)
    assert pool.contribution(task).status is ContributionStatus.PROVED
    await pool.world.stop()


async def test_a_wallet_refilled_while_the_worker_was_stopped_goes_on_too(tmp_path):
    pool = ScriptedPool(tmp_path)
    await pool.opens()
    task = await pool.offered(active=False)
    pool.chain.gas_price = 10
    pool.initialize(pool.world.deals[0])
    await pool.blocks(2)
    assert pool.path(task)[-1] == "OUT_OF_GAS"
    await pool.node.kill()
    pool.chain.fund(pool.node.address, coin=10 * 750_000)
    pool.node.start()
    await pool.blocks(4)
    assert pool.contribution(task).status is ContributionStatus.PROVED
    await pool.world.stop()
