"""What is read of PoCo, from the fake chain and from the real contracts: both must agree."""

from __future__ import annotations

import asyncio

from hub_world import RIGHT, RLC

from poolhand.domain.hashes import task_id
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ContributionStatus,
    EventKind,
    Initialize,
    Reveal,
)
from poolhand.domain.units import BlockNumber


async def test_several_deals_are_read_at_once_and_unknown_ones_left_out(market):
    hub = market.world.hub
    deals = [await market.deal() for _ in range(2)]
    names = [each.deal_id for each in deals]
    found = await hub.deals([*names, DealId(b"\x01" * 32)])
    assert [found[name] for name in names] == deals
    assert len(found) == 2
    assert await hub.deals([]) == {}


async def test_unknown_things_are_none_or_unset(market):
    world, nobody = market.world, Address(b"\x99" * 20)
    assert await world.hub.deal(DealId(b"\x01" * 32)) is None
    assert await world.hub.app(nobody) is None
    assert await world.hub.dataset(market.app) is None
    assert await world.hub.workerpool(nobody) is None
    name = TaskId(b"\x01" * 32)
    view = (await world.hub.tasks({name: [nobody]}))[name]
    assert view.status is ChainTaskStatus.UNSET
    assert view.contributions[nobody].status is ContributionStatus.UNSET


async def test_a_deal_is_read_as_it_was_matched(market):
    world = market.world
    deal = await market.deal(trust=0, tasks=2, dataset=True, category=1)
    assert deal.trust == 1
    assert (deal.bot_first, deal.bot_size) == (0, 2)
    assert deal.worker_stake == 35 * RLC
    assert deal.scheduler_percent == 5
    assert deal.sponsor == deal.requester == world.requester.address
    assert deal.workerpool.owner == world.owner.address
    assert deal.price == 108 * RLC
    assert deal.has_dataset
    assert not deal.has_callback
    assert deal.params == '{"iexec_args":"hello"}'
    head = await world.hub.head()
    notices = await world.hub.deals_of(market.pool, BlockNumber(0), head.number)
    assert [notice.deal_id for notice in notices] == [deal.deal_id]
    assert (await world.hub.app(market.app)).multiaddr == b"docker.io/owner/app:1"
    categories = await world.hub.categories()
    assert [categories[index].time_ref for index in range(3)] == [300, 1200, 3600]


async def test_a_purpose_is_sent_once(market):
    world, worker = market.world, market.world.workers[0]
    task = await market.task()
    call = market.contribution(worker, task, RIGHT)
    first, second = await asyncio.gather(
        world.send(worker, call, f"contribute:{task}"),
        world.send(worker, call, f"contribute:{task}"),
    )
    again = await world.send(worker, call, f"contribute:{task}")
    assert first == second == again
    assert await world.send(worker, Reveal(task, RIGHT), f"reveal:{task}") != first


async def test_events_are_followed_in_order(market):
    world, worker = market.world, market.world.workers[0]
    first = BlockNumber((await world.hub.head()).number + 1)
    seen: list = []

    async def follow() -> None:
        async for event in world.watcher.events(market.pool, first):
            seen.append(event)
            if event.kind is EventKind.TASK_FINALIZE:
                return

    following = asyncio.ensure_future(follow())
    deal = await market.deal()
    task = task_id(deal.deal_id, 0)
    await world.send(world.owner, Initialize(((deal.deal_id, 0),)))
    await market.contribute(worker, task, RIGHT)
    await market.reveal(worker, task, RIGHT)
    await market.finalize(task)
    await asyncio.wait_for(following, 20)
    assert [event.kind for event in seen] == [
        EventKind.SCHEDULER_NOTICE,
        EventKind.TASK_INITIALIZE,
        EventKind.TASK_CONTRIBUTE,
        EventKind.TASK_CONSENSUS,
        EventKind.TASK_REVEAL,
        EventKind.TASK_FINALIZE,
    ]
    assert seen[0].deal_id == deal.deal_id
    assert seen[2].worker == worker.address
    assert all(event.task_id == task for event in seen[1:])
