"""A pool that keeps itself for sale: what a market shows is what it can do, whatever happens."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest
from pool_world import PoolWorld
from sale_world import market_for, passes
from tee_secrets import Secrets, proves_enclaves

from network.world import RLC
from poolhand.domain.errors import Unavailable
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import Withdraw
from poolhand.domain.orders.simulated_tee import sells_simulated_enclaves
from poolhand.domain.tag import Tag
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.units import NanoRlc, Wei
from poolhand.scheduler.confidential_sale import TERMS_KEPT

PRICES = {0: NanoRlc(RLC), 2: NanoRlc(12 * RLC)}


@pytest.fixture
async def stage(tmp_path):
    world = PoolWorld(tmp_path, prices=PRICES, preflight=True)
    async with market_for(world, tmp_path) as market:
        world.pool.markets = (market.client,)
        await world.start()
        yield world, market
        await world.stop()


async def rows(market):
    """What the market shows: category, price, trust and what remains, by category."""
    found = (await market.shown()).values()
    return sorted(
        (each["order"]["category"], each["order"]["trust"], each["remaining"]) for each in found
    )


def told(world):
    return {
        each.order_hash: world.scheduler.sale.verdict(each.order_hash).why
        for each in world.scheduler.sale.book.orders
    }


async def test_nothing_is_for_sale_until_workers_are_there_who_can_do_it(stage):
    world, market = stage
    await passes(world, market)
    assert await rows(market) == []
    assert set(world.scheduler.sale.plan.lacks.values()) == {"no worker that is there could do it"}
    for _ in range(2):
        await world.hired()
    await passes(world, market)
    assert await rows(market) == [(0, 4, 10), (2, 4, 10)]
    assert set(told(world).values()) == {None}


async def test_a_pool_whose_workers_left_is_taken_out_and_comes_back_with_the_same_orders(stage):
    world, market = stage
    workers = [await world.hired() for _ in range(2)]
    await passes(world, market)
    before = set(await market.shown())
    await workers[0].leaves()
    await passes(world, market)
    assert await rows(market) == []
    assert all("reach trust" in why for why in told(world).values())
    await workers[0].arrives()
    await passes(world, market)
    assert set(await market.shown()) == before


async def test_a_stopped_pool_is_for_sale_nowhere_and_a_restart_finds_its_orders(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    before = set(await market.shown())
    assert before
    await world.scheduler.sale.stop()
    assert await market.shown() == {}
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    puppet = world.hire()
    await puppet.arrives()
    await passes(world, market)
    assert set(await market.shown()) == before
    assert len(world.scheduler.sale.book.orders) == len(before)


async def test_a_pool_short_of_gas_is_for_sale_nowhere_until_it_has_some_again(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    before, owner = set(await market.shown()), world.owner.address
    assert before
    world.chain.gas_price = Wei(10**9)
    coins = world.chain.state.coin_of(owner)
    world.chain.fund(owner, coin=Wei(-coins))
    await passes(world, market)
    assert await market.shown() == {}
    assert all("is short of gas" in why for why in told(world).values())
    world.chain.fund(owner, coin=coins)
    await passes(world, market)
    assert set(await market.shown()) == before


async def test_a_market_that_is_away_stops_nothing_and_is_brought_up_to_date(stage):
    world, market = stage
    market.line.is_down = True
    await world.hired()
    await passes(world, market)
    (stall,) = world.scheduler.sale.stalls
    assert "does not answer" in stall.trouble
    signed = {str(each.order_hash) for each in world.scheduler.sale.book.orders}
    assert len(signed) == 2
    assert await world.deal()
    market.line.is_down = False
    await passes(world, market)
    assert set(await market.shown()) == signed, (told(world), stall.trouble, stall.refused)
    assert stall.trouble == ""


async def test_a_market_that_lost_its_book_is_given_the_orders_again(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    before = await market.shown()
    name = next(iter(before))
    (stall,) = world.scheduler.sale.stalls
    found = next(e for e in world.scheduler.sale.book.orders if str(e.order_hash) == name)
    await market.client.unpublish(OrderSort.WORKERPOOL, found.order_hash, world.owner)
    assert len(await market.shown()) == len(before) - 1
    await passes(world, market, seconds=31)
    assert set(await market.shown()) == set(before)
    assert stall.listed == {each.order_hash for each in world.scheduler.sale.book.orders}


async def test_with_another_price_the_old_orders_are_closed_on_chain(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    old = {each.order_hash for each in world.scheduler.sale.book.orders}
    await world.pool.kill()
    dearer = {0: NanoRlc(2 * RLC), 2: NanoRlc(12 * RLC)}
    world.pool.settings = replace(world.pool.settings, prices=dearer)
    world.pool.start()
    await world.settle()
    await world.hire().arrives()
    await passes(world, market, seconds=12)
    await market.follow()
    await passes(world, market, seconds=31)
    shown = {each["order"]["category"]: each for each in (await market.shown()).values()}
    assert shown[0]["order"]["workerpoolprice"] == 2 * RLC
    assert shown[2]["orderHash"] in {str(name) for name in old}
    closed = [name for name in old if world.chain.state.consumed.get(name, 0)]
    assert len(closed) == 1


async def test_the_stake_that_is_gone_is_not_promised(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    owner = world.owner.address
    free = world.chain.state.stake_of(owner)
    world.chain.submit(owner, Withdraw(NanoRlc(free - 3 * RLC // 10 * 2)))
    await passes(world, market, seconds=12)
    await market.follow()
    await passes(world, market, seconds=31)
    stake = world.chain.state.stake_of(owner)
    valid = [e for e in world.scheduler.sale.book.orders if e.remaining]
    assert sum(each.promised for each in valid if told(world)[each.order_hash] is None) <= stake
    assert [row[0] for row in await rows(market)] == [0]


@pytest.mark.parametrize("acts", [False, True])
async def test_killed_at_any_request_to_the_market_the_pool_sells_nothing_twice(tmp_path, acts):
    """One life for each request: the program dies before it, or after it has had its effect."""
    for life in count(1):
        folder = tmp_path / str(life)
        folder.mkdir()
        world = PoolWorld(folder, prices={0: NanoRlc(RLC)}, preflight=True)
        async with market_for(world, folder) as market:
            world.pool.markets = (market.client,)
            market.line.holds, market.line.acts = life, acts
            await world.start()
            await world.hired()
            await passes(world, market)
            was_held = market.line.held
            await world.pool.kill()
            market.line.holds, market.line.held = None, False
            world.pool.start()
            await world.settle()
            await world.hire().arrives()
            await passes(world, market)
            (order,) = world.scheduler.sale.book.orders
            assert set(await market.shown()) == {str(order.order_hash)}
            await world.stop()
        if not was_held:
            break
    assert life > 4, "list, list, challenge, publish"


async def test_confidential_tasks_are_for_sale_while_their_service_and_a_worker_are_there(tmp_path):
    world = PoolWorld(
        tmp_path, prices=PRICES, preflight=True, sms_url="http://sms.test", simulated_tee="root"
    )
    world.pool.challenges = secrets = Secrets()
    async with market_for(world, tmp_path) as market:
        world.pool.markets = (market.client,)
        await world.start()
        puppet, _ = await world.hired(), await world.hired()
        await passes(world, market)
        assert await demands(market) == {(0, (), 4), (2, (), 4)}
        sold = world.scheduler.sale.plan.lacks
        assert [(each.tag.names, why) for each, why in sold.items()] == [
            (("tee", "tdx"), "no worker that is there could do it")
        ] * 2
        proves_enclaves(world, puppet, TeeFramework.TDX)
        await passes(world, market)
        confidential = {(0, ("tee", "tdx"), 2), (2, ("tee", "tdx"), 2)}
        assert await demands(market) == {(0, (), 4), (2, (), 4), *confidential}
        orders = [each.signed.order for each in world.scheduler.sale.book.orders]
        marked = [sells_simulated_enclaves(each) for each in orders]
        assert marked == [each.tag.needs_tee for each in orders]
        secrets.fault = Unavailable("it sleeps")
        await passes(world, market, int(TERMS_KEPT) + 8)
        assert await demands(market) == {(0, (), 4), (2, (), 4)}
        await world.stop()


async def demands(market):
    """What the market shows: category, names of the tag, trust."""
    orders = [each["order"] for each in (await market.shown()).values()]
    return {(o["category"], Tag.parse(o["tag"]).names, o["trust"]) for o in orders}
