"""The pool as a seller: what it signs can be bought, and what it does not sell is not signed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pool_world import with_tag

from network.world import RLC
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.signatures import recover
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.scheduler.pricing import VOLUME, NotSold


@pytest.fixture
async def seller(pool):
    world = await pool(prices={0: NanoRlc(RLC), 2: NanoRlc(12 * RLC)}, highest_trust=Trust(10))
    return world, world.scheduler.pricing


async def test_an_order_names_pool_price_and_terms_and_is_signed_by_the_owner(seller):
    world, pricing = seller
    signed = await pricing.order(2, Trust(5), NO_TAG)
    order = signed.order
    assert (order.workerpool, order.price, order.category) == (world.workerpool, 12 * RLC, 2)
    assert (order.trust, order.tag, order.volume) == (5, NO_TAG, VOLUME)
    name = order_hash(world.chain.domain, order)
    assert recover(name, signed.signature) == world.owner.address


async def test_the_chain_matches_an_order_that_the_pool_sold(seller):
    world, pricing = seller
    sold = await pricing.order(0, Trust(1), NO_TAG, 2)
    orders = replace(world.orders(1, 2), workerpool=sold)
    world.chain.submit(world.requester.address, orders)
    await world.step()
    (deal,) = world.chain.state.deals.values()
    assert (deal.workerpool.price, deal.bot_size) == (RLC, 2)


async def test_the_same_order_is_sold_until_it_is_used_up(seller):
    world, pricing = seller
    first = await pricing.order(0, Trust(1), NO_TAG)
    assert await pricing.order(0, Trust(1), NO_TAG, 500) is first
    assert await pricing.order(0, Trust(2), NO_TAG) is not first
    assert await pricing.order(2, Trust(1), NO_TAG) is not first
    state = world.chain.state
    state.consumed[order_hash(world.chain.domain, first.order)] = VOLUME - 1
    assert await pricing.order(0, Trust(1), NO_TAG, 1) is first
    second = await pricing.order(0, Trust(1), NO_TAG, 2)
    assert second is not first
    assert second.order.salt != first.order.salt


@pytest.mark.parametrize(
    ("category", "trust", "tag", "volume", "word"),
    [
        (1, 1, NO_TAG, 1, "choose one of 0, 2"),
        (0, 11, NO_TAG, 1, "the highest is 10"),
        (0, 1, Tag.of(["tee", "scone"]), 1, "TEE"),
        (0, 1, NO_TAG, VOLUME + 1, "at most 1000"),
    ],
)
async def test_what_is_not_sold_is_refused_with_what_is(seller, category, trust, tag, volume, word):
    _, pricing = seller
    with pytest.raises(NotSold, match=word):
        await pricing.order(category, Trust(trust), tag, volume)


async def test_a_gpu_can_be_asked_for(seller):
    world, pricing = seller
    tag = Tag.of(["gpu"])
    sold = await pricing.order(0, Trust(1), tag)
    orders = with_tag(world.orders(1, 1), world.owner, world.requester, world.chain.domain, tag)
    world.chain.submit(world.requester.address, replace(orders, workerpool=sold))
    await world.step()
    (deal,) = world.chain.state.deals.values()
    assert deal.tag.needs_gpu
