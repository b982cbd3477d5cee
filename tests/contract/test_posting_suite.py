"""A call and what rests on it, handed over together: on the fake chain and on real contracts."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hub_world import Market, World

from poolhand.domain.errors import Reverted
from poolhand.domain.hashes import deal_id
from poolhand.domain.onchain import ChainTaskStatus, Initialize
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import Signed
from poolhand.domain.units import Gas
from poolhand.ports.chain import FollowUp

LIMIT = Gas(400_000)


@pytest.fixture
async def market(world: World):
    return await Market.open(world)


def named(market, orders):
    return deal_id(order_hash(market.world.domain, orders.request.order), 0)


def beginning(name):
    """Return what initializes the first task of a deal that nobody has seen yet."""
    return FollowUp(f"initialize:{name}", Initialize(((name, 0),)), LIMIT)


async def test_a_deal_and_its_task_begin_in_one_block_paid_by_whoever_sends(market):
    world, orders = market.world, market.orders()
    name, sender = named(market, orders), market.world.sender(market.world.owner)
    await world.hold()
    tx = await sender.post(f"match:{name}", orders, [beginning(name)])
    assert await world.hub.deal(name) is None
    await world.advance(1)
    match = await sender.outcome(f"match:{name}")
    first = await sender.outcome(f"initialize:{name}")
    assert (match.tx_hash, match.succeeded, first.succeeded) == (tx, True, True)
    assert match.block == first.block
    deal = await world.hub.deal(name)
    assert (deal.requester, deal.sponsor) == (world.requester.address,) * 2
    (_, task), *_ = deal.tasks()
    assert (await market.view(task)).status is ChainTaskStatus.ACTIVE
    assert first.gas_used <= LIMIT * 3 // 4  # a limit that leaves room


async def test_what_was_posted_is_posted_no_second_time(market):
    world, orders = market.world, market.orders()
    name, sender = named(market, orders), market.world.sender(market.world.owner)
    await world.hold()
    tx = await sender.post(f"match:{name}", orders, [beginning(name)])
    assert await sender.post(f"match:{name}", orders, [beginning(name)]) == tx
    sending = asyncio.create_task(sender.send(f"match:{name}", orders))
    await world.advance(1)
    receipt = await sending
    assert (receipt.tx_hash, receipt.deals) == (tx, (name,))
    assert await sender.post(f"match:{name}", orders, [beginning(name)]) == tx
    assert (await sender.outcome(f"initialize:{name}")).succeeded


async def test_where_the_first_is_refused_nothing_is_handed_over(market):
    world, orders = market.world, market.orders()
    dearer = replace(orders.workerpool.order, price=market.price + 1)
    signature = world.owner.sign_order(world.domain, dearer)
    orders = replace(orders, workerpool=Signed(dearer, signature))
    name, sender = named(market, orders), world.sender(world.owner)
    with pytest.raises(Reverted):
        await sender.post(f"match:{name}", orders, [beginning(name)])
    assert await sender.outcome(f"match:{name}") is None
    assert await sender.outcome(f"initialize:{name}") is None
