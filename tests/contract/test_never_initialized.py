"""Tasks of a deal that nobody ever put on chain, on the fake chain and on the real contracts."""

from __future__ import annotations

import pytest
from hub_world import Market

from poolhand.chain.errors import AlreadyInitialized, NotClaimable
from poolhand.domain.onchain import ChainTaskStatus, Claim, Initialize


@pytest.fixture
async def market(world):
    return await Market.open(world)


async def test_they_are_put_on_chain_after_all_deadlines_and_claimed_at_once(market):
    world = market.world
    before = await world.stake(world.requester)
    deal = await market.deal(trust=4, tasks=3)
    names = tuple(name for _, name in deal.tasks())
    category = (await world.hub.categories())[deal.category]
    await world.deadline(category.final_deadline(deal.start_time))
    with pytest.raises(NotClaimable):
        await world.send(world.owner, Claim(names))
    initialize = Initialize(tuple((deal.deal_id, index) for index, _ in deal.tasks()))
    await world.send(world.owner, initialize)
    assert (await market.view(names[0])).status is ChainTaskStatus.ACTIVE
    await world.send(world.owner, Claim(names))
    assert (await market.view(names[2])).status is ChainTaskStatus.FAILED
    assert await world.stake(world.requester) == before


async def test_a_batch_of_claims_is_taken_whole_or_not_at_all(market):
    world = market.world
    deal = await market.deal(trust=4, tasks=3)
    names = tuple(name for _, name in deal.tasks())
    initialize = Initialize(tuple((deal.deal_id, index) for index, _ in deal.tasks()))
    await world.send(world.owner, initialize)
    with pytest.raises(AlreadyInitialized):
        await world.send(world.owner, initialize, "again")
    await world.deadline((await market.view(names[0])).final_deadline)
    await world.send(world.requester, Claim(names[1:2]))
    with pytest.raises(NotClaimable):
        await world.send(world.owner, Claim(names))
    assert (await market.view(names[0])).status is ChainTaskStatus.ACTIVE
    for name in (names[0], names[2]):
        await world.send(world.owner, Claim((name,)))
    assert (await market.view(names[2])).status is ChainTaskStatus.FAILED
