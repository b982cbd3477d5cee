"""A deal that a sponsor pays for, told by the fake chain and by the real contracts alike."""

from __future__ import annotations

import pytest
from hub_world import Market

from poolhand.domain.errors import Reverted
from poolhand.domain.movements import MovementKind as K
from poolhand.domain.onchain import Claim, Initialize
from poolhand.domain.orders.model import SponsorMatch
from poolhand.domain.units import NanoRlc


async def test_the_sender_pays_and_gets_back_what_a_failed_task_cost(world):
    market = await Market.open(world)
    sponsor, buyer = world.workers[0], world.requester
    price, before = market.price + market.app_price, await world.total()
    (free, _), buyers = await world.stake(sponsor), await world.stake(buyer)
    receipt = await world.send(sponsor, SponsorMatch(market.orders()))
    deal = await world.hub.deal(receipt.deals[0])
    assert (deal.sponsor, deal.requester) == (sponsor.address, buyer.address)
    assert await world.stake(sponsor) == (free - price, price)
    assert await world.stake(buyer) == buyers
    moved = await world.hub.money_of(sponsor.address, receipt.block, receipt.block)
    assert [(each.kind, each.amount) for each in moved] == [(K.LOCK, price)]
    index, task = next(deal.tasks())
    await world.send(world.owner, Initialize(((deal.deal_id, index),)))
    await world.deadline((await market.view(task)).final_deadline + 1)
    await world.send(buyer, Claim((task,)))
    assert await world.stake(sponsor) == (free, 0)
    assert await world.stake(buyer) == buyers
    assert await world.total() == before


async def test_a_sponsor_without_the_stake_makes_no_deal_though_the_buyer_has_it(world):
    market = await Market.open(world)
    sponsor = world.workers[1]
    market.price = 10_000 * 10**9
    with pytest.raises(Reverted):
        await world.send(sponsor, SponsorMatch(market.orders()))
    assert (await world.stake(sponsor))[1] == NanoRlc(0)
