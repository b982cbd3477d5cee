"""What locks an account's stake, told by the fake chain and by the real contracts alike.

The law: whatever a task goes through, the stakes found for its parties sum up to what the hub has
locked of them, to the nRLC.
"""

from __future__ import annotations

import pytest
from hub_world import RLC, Market, World, digest

from poolhand.domain.ids import TaskId
from poolhand.domain.onchain import Claim, EventKind, Initialize, Reopen
from poolhand.domain.units import BlockNumber
from poolhand.requester.stakes import Role, stakes_of

RIGHT, WRONG = digest("right"), digest("wrong")


@pytest.fixture
async def market(world: World):
    return await Market.open(world)


async def explained(world):
    """Check the law for everybody; return each one's (role, amount, why)."""
    found = {}
    for wallet in world.wallets:
        stakes = await stakes_of(world.hub, wallet.address)
        locked = (await world.stake(wallet))[1]
        assert stakes.other == 0
        assert sum(stake.amount for stake in stakes.stakes) == locked == stakes.account.locked
        found[wallet] = [(each.role, each.amount, each.why) for each in stakes.stakes]
    return found


async def test_stakes_are_explained_from_purchase_to_payment(market):
    world = market.world
    wrong, first, second, *more = world.workers
    assert await explained(world) == {wallet: [] for wallet in world.wallets}
    deal = await market.deal(trust=4, dataset=True, tasks=2)
    found = await explained(world)
    assert (
        found[world.requester]
        == [(Role.REQUESTER, 108 * RLC, "the price of a task that has not ended")] * 2
    )
    assert [each[:2] for each in found[world.owner]] == [(Role.POOL_OWNER, 30 * RLC)] * 2
    (_, task), _ = deal.tasks()
    await world.send(world.owner, Initialize(((deal.deal_id, 0), (deal.deal_id, 1))))
    await market.contribute(wrong, task, WRONG)
    await market.contribute(first, task, RIGHT)
    assert (await explained(world))[first] == [
        (Role.WORKER, 35 * RLC, "contributed; no consensus yet")
    ]
    for each in (second, *more):  # four outweigh one
        await market.contribute(each, task, RIGHT)
    await market.reveal(first, task, RIGHT)
    found = await explained(world)
    assert [found[each][0][2] for each in (first, second, wrong)] == [
        "revealed; the pool has to finalize",
        "contributed the consensus; must reveal",
        "contributed another result",
    ]
    for each in (second, *more):
        await market.reveal(each, task, RIGHT)
    await market.finalize(task)
    found = await explained(world)
    assert [found[each] for each in (first, second, wrong)] == [[], [], []]
    assert len(found[world.requester]) == len(found[world.owner]) == 1


async def test_stakes_are_explained_through_reopening_and_claim(market):
    world = market.world
    first, second = world.workers[:2]
    task = await market.task(trust=4)
    await market.contribute(first, task, RIGHT)
    await market.contribute(second, task, RIGHT)
    await world.deadline((await market.view(task)).reveal_deadline)
    await world.send(world.owner, Reopen(task))
    assert (await explained(world))[first] == [(Role.WORKER, 35 * RLC, "not revealed in time")]
    assert not (await stakes_of(world.hub, first.address)).stakes[0].is_due
    await world.deadline((await market.view(task)).final_deadline)
    (stake,) = (await stakes_of(world.hub, first.address)).stakes
    assert stake.is_due
    assert stake.deadline == (await market.view(task)).final_deadline
    await world.send(world.requester, Claim((task,)))
    assert await explained(world) == {wallet: [] for wallet in world.wallets}


async def test_what_settles_at_once_locks_nothing_of_the_worker(market):
    world, worker = market.world, market.world.workers[0]
    task = await market.task()
    await world.send(worker, market.both(worker, task, RIGHT))
    assert await explained(world) == {wallet: [] for wallet in world.wallets}


async def test_the_rest_is_named_when_the_search_ends_too_early(market):
    world = market.world
    await market.deal()
    for _ in range(3):
        await world.advance(1)
    near = await stakes_of(world.hub, world.requester.address, lookback=2)
    assert (near.stakes, near.other) == ((), 103 * RLC)
    assert near.last - near.first == 1
    far = await stakes_of(world.hub, world.requester.address)
    assert (len(far.stakes), far.other) == (1, 0)


async def test_locks_are_the_accounts_own_in_order_and_in_the_range(market):
    world, worker = market.world, market.world.workers[0]
    task = await market.task(trust=2)
    deal_id = await world.hub.task_deal(task)
    block = (await market.contribute(worker, task, RIGHT)).block
    newest = (await world.hub.head()).number
    start = BlockNumber(0)

    async def kinds(wallet, first=start, last=newest):
        found = await world.hub.locks_of(wallet.address, first, last)
        return [(event.kind, event.deal_id or event.task_id) for event in found]

    assert await kinds(world.requester) == [(EventKind.SCHEDULER_NOTICE, deal_id)]
    assert await kinds(world.owner) == [(EventKind.SCHEDULER_NOTICE, deal_id)]
    assert await kinds(worker) == [(EventKind.TASK_CONTRIBUTE, task)]
    assert await kinds(world.workers[1]) == []
    assert await kinds(worker, last=BlockNumber(block - 1)) == []
    assert await kinds(worker, first=BlockNumber(block)) == [(EventKind.TASK_CONTRIBUTE, task)]


async def test_a_tasks_deal_is_known_once_it_is_initialized(market):
    world = market.world
    deal = await market.deal()
    index, task = next(deal.tasks())
    assert await world.hub.task_deal(task) is None
    await world.send(world.owner, Initialize(((deal.deal_id, index),)))
    assert await world.hub.task_deal(task) == deal.deal_id
    assert await world.hub.task_deal(TaskId(bytes(32))) is None


async def test_events_name_what_was_contributed_and_agreed_on(market):
    world, worker = market.world, market.world.workers[0]
    task = await market.task()
    sent = await market.contribute(worker, task, RIGHT)
    events = await world.hub.task_events(task, BlockNumber(0))
    assert [(event.kind, event.result_hash is None) for event in events] == [
        (EventKind.TASK_INITIALIZE, True),
        (EventKind.TASK_CONTRIBUTE, False),
        (EventKind.TASK_CONSENSUS, False),
    ]
    consensus = (await market.view(task)).consensus
    assert events[1].result_hash == events[2].result_hash == consensus
    early = await world.hub.task_events(task, BlockNumber(0), BlockNumber(sent.block - 1))
    assert early == events[:1]
