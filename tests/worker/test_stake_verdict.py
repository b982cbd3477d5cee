"""Too little stake: a verdict for the head of the chain only, however far a node lags."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest
import structlog
from worker_world import done

from poolhand.domain.ids import ResultDigest
from poolhand.domain.onchain import Deposit
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import BlockNumber
from poolhand.worker.horizon import MOST_AGE

A, S = Action, Status
LOW = S.CANT_CONTRIBUTE_SINCE_STAKE_TOO_LOW
RIGHT = ResultDigest(sha256(b"the right result").digest())


@pytest.fixture
async def poor(shop):
    """Return a shop whose worker had no stake until a moment ago, and a replicate of its."""
    deal = await shop.deal(trust=10)
    shop.initialize(deal)
    shop.chain.state.stake[shop.address] = 0
    shop.chain.mine(blocks=3)
    return shop, deal, shop.replicate(shop.offer(deal), digest=RIGHT)


def deposit(shop, deal):
    shop.chain.fund(shop.address, rlc=deal.worker_stake)
    shop.chain.submit(shop.address, Deposit(deal.worker_stake))


async def started(shop, action, replicate):
    stage = asyncio.create_task(shop.stages.perform(replicate, action))
    await shop.settle()
    return stage


async def test_one_look_is_not_enough_and_a_second_at_a_later_block_is(poor):
    shop, _, replicate = poor
    stage = await started(shop, A.CHECK, replicate)
    assert not stage.done()
    await shop.blocks(1)
    assert (await stage).outcome is LOW


@pytest.mark.parametrize("action", [A.CHECK, A.CONTRIBUTE])
async def test_a_node_that_lags_behind_a_deposit_costs_no_task(poor, action):
    shop, deal, replicate = poor
    deposit(shop, deal)
    shop.chain.mine(blocks=3)
    shop.worker.horizon.saw(shop.chain.head.number)
    shop.chain.lag = 5
    stage = await started(shop, action, replicate)
    await shop.blocks(1)  # the node shows two blocks, and neither has the deposit
    assert not stage.done()
    await shop.blocks(8)
    wanted = {A.CHECK: S.CAN_CONTRIBUTE, A.CONTRIBUTE: S.CONTRIBUTED}
    assert (await stage).outcome is wanted[action]


async def test_a_block_that_only_the_pool_told_of_is_waited_for(poor):
    shop, _, replicate = poor
    ahead = BlockNumber(shop.chain.head.number + 5)
    shop.worker.horizon.saw(ahead)
    stage = await started(shop, A.CHECK, replicate)
    await shop.blocks(5)  # block ``ahead`` is the first that counts
    assert not stage.done()
    await shop.blocks(1)
    assert (await stage).outcome is LOW


async def test_a_pool_that_lies_about_the_block_delays_the_verdict_to_the_deadline_and_no_more(
    poor,
):
    shop, deal, replicate = poor
    shop.worker.horizon.saw(BlockNumber(10**15))
    for action in (A.CHECK, A.CONTRIBUTE):
        stage = await started(shop, action, replicate)
        await shop.blocks(3)
        assert not stage.done()
        stage.cancel()
    stage = await started(shop, A.CONTRIBUTE, replicate)
    shop.chain.mine_until(deal.start_time + 2100)
    await shop.settle()
    assert (await stage).outcome is S.CANT_CONTRIBUTE_SINCE_AFTER_DEADLINE


async def test_a_chain_that_stands_still_is_no_proof(poor):
    shop, _, replicate = poor
    shop.clock.advance(MOST_AGE + 60)
    stage = await started(shop, A.CHECK, replicate)
    shop.chain.mine(blocks=5)  # still a minute behind the clock
    await shop.settle()
    assert not stage.done()
    shop.chain.mine_until(shop.clock.now())
    shop.chain.mine()
    await shop.settle()
    shop.chain.mine()
    await shop.settle()
    assert (await stage).outcome is LOW


async def test_a_deposit_between_the_two_looks_is_seen(poor):
    shop, deal, replicate = poor
    stage = await started(shop, A.CHECK, replicate)
    deposit(shop, deal)
    await shop.settle()
    assert (await stage).outcome is S.CAN_CONTRIBUTE


async def test_why_the_verdict_waits_is_logged_once_per_cause(poor):
    shop, _, replicate = poor
    shop.worker.horizon.saw(BlockNumber(shop.chain.head.number + 3))
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        await done(shop, A.CHECK, replicate, blocks=4)
    causes = [each["cause"] for each in told if each["event"] == "stake_too_low_unproven"]
    assert len(causes) == 4
    assert "is known" in causes[0]
    assert causes[-1] == "another block must show it, too"
