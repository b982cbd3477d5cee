"""Simulated enclaves are bought by name only: nothing is signed before the pool has said what it has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market_stall import open_stall
from poolhand.domain.orders.simulated_tee import marked_salt
from poolhand.domain.tag import NO_TAG
from poolhand.domain.tee.framework import TeeFramework
from poolhand.requester.simulated_tee import SimulatedTee
from poolhand.requester.wish import Wish
from requester_market import IMAGE, RLC

TDX = TeeFramework.TDX.tag


async def confidential(market, **terms):
    market.pool.tag = TDX
    return replace(await market.wish(), tag=TDX, **terms)


async def test_a_pool_with_simulated_enclaves_is_refused_before_anything_is_signed(market):
    market.pool.simulated_tee = True
    wish = await confidential(market)
    with pytest.raises(SimulatedTee, match="--accept-simulated-tee"):
        await market.requester().buy(wish)
    assert not market.chain.state.deals


async def test_an_image_is_not_registered_where_its_task_would_not_be_bought(market):
    market.pool.simulated_tee = True
    wish, before = await confidential(market), dict(market.chain.state.apps)
    with pytest.raises(SimulatedTee, match="--accept-simulated-tee"):
        await market.requester().deploy_app(IMAGE, "another", wish)
    assert market.chain.state.apps.keys() == before.keys()
    accepted = replace(wish, accepts_simulated_tee=True)
    await market.requester().deploy_app(IMAGE, "another", accepted)
    assert len(market.chain.state.apps) == len(before) + 1


async def test_who_accepts_them_by_name_buys(market):
    market.pool.simulated_tee = True
    wish = await confidential(market, accepts_simulated_tee=True)
    assert (await market.requester().buy(wish)).deal.tag == TDX


async def test_enclaves_of_hardware_need_no_acceptance(market):
    assert (await market.requester().buy(await confidential(market))).deal.tag == TDX


async def test_a_usual_task_is_bought_wherever_it_is(market):
    market.pool.simulated_tee = True
    assert (await market.requester().buy(await market.wish())).deal.tag == NO_TAG


async def test_accepting_makes_no_other_purchase_of_a_wish(market):
    wish = await confidential(market)
    assert wish.fingerprint == replace(wish, accepts_simulated_tee=True).fingerprint


async def test_where_nobody_says_what_a_pool_has_a_confidential_task_is_not_bought(
    market, tmp_path
):
    async with open_stall(market, tmp_path) as stall:
        app = await stall.app()
        await stall.sell_app(app, tag=TDX)
        await stall.sell_pool(RLC, tag=TDX)
        with pytest.raises(SimulatedTee, match="nobody says"):
            await market.requester().buy(Wish(app, tag=TDX))
        assert not market.chain.state.deals


async def test_a_tag_that_the_app_brings_counts_as_well(market, tmp_path):
    async with open_stall(market, tmp_path) as stall:
        app, data = await stall.app(), await stall.dataset()
        await stall.sell_app(app, tag=TDX)
        await stall.sell_dataset(data, tag=TDX)
        await stall.sell_pool(RLC, tag=TDX)
        with pytest.raises(SimulatedTee):
            await market.requester().buy(Wish(app, dataset=data))


async def test_an_order_that_says_so_itself_is_refused_whatever_its_pool_says(market, tmp_path):
    async with open_stall(market, tmp_path) as stall:
        app = await stall.app()
        await stall.sell_app(app, tag=TDX)
        await stall.sell_pool(RLC, tag=TDX, salt=marked_salt(bytes(16)))
        pool = market.pool.workerpool
        with pytest.raises(SimulatedTee, match="keep nothing secret"):
            await market.requester().buy(Wish(app, tag=TDX, workerpool=pool))
        accepted = Wish(app, tag=TDX, workerpool=pool, accepts_simulated_tee=True)
        assert (await market.requester().buy(accepted)).deal.tag == TDX
