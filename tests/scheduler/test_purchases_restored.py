"""Purchases that were sent before a restart: counted as before, answered as before, sent once."""

from __future__ import annotations

import pytest
from pool_world import PoolWorld
from test_signed_purchases import handed_in, mined, refused

from network.world import RLC
from poolhand.domain.onchain import Initialize, Withdraw
from poolhand.domain.orders.matches_under_way import PURCHASES_COUNTED_FOR, REST_AFTER_FAILED_MATCH
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.orders.signed_purchase import deal_of
from poolhand.domain.units import NanoRlc


async def starts_again(world):
    """Kill the pool between two of its steps and start it on its journal."""
    await world.pool.kill()
    world.pool.start()
    await world.settle()


def remembered(world):
    """Return the deals that the pool's journal has purchases of."""
    return {stream for stream, _ in world.pool.journal.read("purchase/")}


async def test_stake_of_a_purchase_sent_before_a_restart_is_not_spent_twice(pool):
    world = await pool()
    first, second = world.orders(1, 600), world.orders(1, 600)  # 103 RLC each, of 100 000
    assert (await handed_in(world, first))[0] == 200
    await starts_again(world)
    status, told = await handed_in(world, second)
    assert (status, told["code"]) == (409, "purchase-unfit")
    deal = await mined(world, first)
    assert not world.refused()
    assert deal.bot_size == 600
    assert (await handed_in(world, second))[1]["code"] == "purchase-unfit"  # the chain says so now


async def test_what_was_under_way_at_a_restart_is_counted_no_longer_once_a_block_has_it(pool):
    world = await pool()
    first, second = world.orders(1, 400), world.orders(1, 500)
    assert (await handed_in(world, first))[0] == 200
    await starts_again(world)
    await mined(world, first)
    assert (await handed_in(world, second))[0] == 200
    await mined(world, second)
    assert not world.refused()


@pytest.mark.parametrize("moment", ["under way", "mined", "long mined"])
async def test_a_purchase_handed_in_again_after_a_restart_is_answered_the_same_and_sent_once(
    pool, moment
):
    world = await pool()
    orders = world.orders(1, 2)
    told = await handed_in(world, orders)
    assert told[0] == 200
    if moment != "under way":
        await mined(world, orders)
    if moment == "long mined":  # for the sender: it keeps few of those that succeeded
        world.chain.purposes.clear()
    sent = len(world.chain.pool)
    await starts_again(world)
    for _ in range(2):
        assert await handed_in(world, orders) == told
    assert len(world.chain.pool) == sent
    await world.step()
    assert sum(isinstance(call, MatchOrders) for call in world.calls()) == 1
    begun = [each for call in world.calls() if type(call) is Initialize for each in call.tasks]
    assert len(begun) == len(set(begun)) == 2


async def test_a_deal_that_somebody_else_made_first_is_not_held_against_its_requester(pool):
    """Both matches stood in one block: ours failed and cost gas, through no fault of theirs."""
    world = await pool()
    orders = world.orders(1, 1)
    world.chain.submit(world.requester.address, orders)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)
    assert len(world.refused()) == 1
    status, told = await handed_in(world, orders)
    assert (status, told["tx"]) == (200, None)
    await starts_again(world)
    other = world.orders(1, 1)
    assert (await handed_in(world, other))[0] == 200
    await mined(world, other)


@pytest.mark.parametrize(
    ("limit", "words"),
    [("purchases_per_hour", "1 purchases were sent for"), ("all_purchases_per_hour", "sent here")],
)
async def test_a_quota_knows_after_a_restart_what_was_sent_within_the_hour(pool, limit, words):
    world = await pool(**{limit: 1})
    orders = world.orders(1, 1)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)
    for _ in range(2):
        await starts_again(world)
        assert words in (await refused(world, world.orders(1, 1)))[2]
    await world.step(PURCHASES_COUNTED_FOR)
    later = world.orders(1, 1)
    assert (await handed_in(world, later))[0] == 200
    await mined(world, later)
    name = deal_of(later, world.chain.domain)
    assert remembered(world) == {f"purchase/{name}"}, "what is older than an hour is forgotten"


async def test_who_let_a_match_fail_before_a_restart_waits_after_it(pool):
    world = await pool()
    world.chain.submit(world.requester.address, Withdraw(NanoRlc(100_000 * RLC)))
    assert (await handed_in(world, world.orders(1, 1)))[0] == 200
    await world.step()
    world.chain.fund(world.requester.address, stake=1000 * RLC)
    world.total = world.chain.total_nrlc()
    await starts_again(world)
    assert "failed on chain" in (await refused(world, world.orders(1, 1)))[2]
    await world.step(REST_AFTER_FAILED_MATCH)
    orders = world.orders(1, 1)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)


async def test_a_match_that_fails_after_a_restart_is_found_to_have_failed(pool):
    world = await pool()
    world.chain.submit(world.requester.address, Withdraw(NanoRlc(100_000 * RLC)))
    orders = world.orders(1, 1)
    assert (await handed_in(world, orders))[0] == 200
    await starts_again(world)
    await world.step()
    world.chain.fund(world.requester.address, stake=1000 * RLC)
    world.total = world.chain.total_nrlc()
    assert "failed on chain" in (await refused(world, world.orders(1, 1)))[2]
    await world.step(REST_AFTER_FAILED_MATCH)
    assert (await handed_in(world, orders))[0] == 200, "the same request may be sent anew"
    await mined(world, orders)


async def test_what_was_written_down_and_never_signed_counts_for_nothing(tmp_path):
    world = PoolWorld(tmp_path, purchases_per_hour=1)
    await world.start()
    orders = world.orders(1, 600)
    fuse = world.pool.fuse
    post = world.pool.scheduler.purchases._sender.post

    async def killed(*args):
        fuse.blow()
        return await post(*args)

    world.pool.scheduler.purchases._sender.post = killed
    asking = world.pool.tasks.create_task(handed_in(world, orders))
    await world.settle()
    assert asking.done()
    assert remembered(world)
    assert not world.chain.pool
    world.pool.start()
    await world.settle()
    assert not remembered(world)
    assert (await handed_in(world, orders))[0] == 200
    await mined(world, orders)
    assert not world.refused()
    await world.stop()
