"""What moved an account's RLC, told by the fake chain and by the real contracts alike.

The law: over any range of blocks the movements found for an account are exactly what its free and
its locked stake changed by, to the nRLC, whatever its tasks went through.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from hub_world import RLC, Market, World, digest

from poolhand.domain.ids import TxHash
from poolhand.domain.movements import MovementKind as K
from poolhand.domain.movements import change_of_locked, change_of_stake, total
from poolhand.domain.onchain import (
    Claim,
    ContributeAndFinalize,
    EventKind,
    Initialize,
    Reopen,
    Withdraw,
)
from poolhand.domain.units import BlockNumber, NanoRlc

RIGHT, WRONG = digest("right"), digest("wrong")


@pytest.fixture
async def market(world: World):
    return await Market.open(world)


class Books:
    """Looks at everybody's account at moments, and demands the law between any two of them."""

    def __init__(self, world: World):
        self.world, self.pages = world, []

    async def look(self):
        head = await self.world.hub.head()
        stakes = [await self.world.stake(wallet) for wallet in self.world.wallets]
        self.pages.append((head.number, stakes))

    async def check(self):
        await self.look()
        for (start, before), (end, after) in [
            *pairwise(self.pages),
            (self.pages[0], self.pages[-1]),
        ]:
            for wallet, old, new in zip(self.world.wallets, before, after, strict=True):
                moved = await self.world.hub.money_of(
                    wallet.address, BlockNumber(start + 1), BlockNumber(end)
                )
                assert all(each.amount > 0 for each in moved)
                assert change_of_stake(moved) == new[0] - old[0]
                assert change_of_locked(moved) == new[1] - old[1]

    async def kinds(self, wallet):
        last = (await self.world.hub.head()).number
        moved = await self.world.hub.money_of(
            wallet.address, BlockNumber(self.pages[0][0] + 1), last
        )
        return [(each.kind, each.amount) for each in moved]


@pytest.mark.case("E11")
async def test_every_nrlc_of_a_task_that_ends_well_is_found(market):
    world, books = market.world, Books(market.world)
    wrong, *right = world.workers
    await books.look()
    deal = await market.deal(trust=4, dataset=True)
    (index, task), *_ = deal.tasks()
    await world.send(world.owner, Initialize(((deal.deal_id, index),)))
    await market.contribute(wrong, task, WRONG)
    await books.look()
    for each in right:  # four outweigh one
        await market.contribute(each, task, RIGHT)
    for each in right:
        await market.reveal(each, task, RIGHT)
    await books.look()
    await market.finalize(task)
    await world.send(world.requester, Withdraw(NanoRlc(7)))
    await books.check()
    assert await books.kinds(wrong) == [(K.LOCK, 35 * RLC), (K.SEIZURE, 35 * RLC)]
    assert await books.kinds(world.requester) == [
        (K.LOCK, 108 * RLC),
        (K.SEIZURE, 108 * RLC),
        (K.WITHDRAWAL, 7),
    ]
    kinds = sorted(kind for kind, _ in await books.kinds(right[0]))
    assert kinds == sorted([K.LOCK, K.UNLOCK, K.REWARD])
    owners = await books.kinds(world.owner)  # of app, dataset and pool
    assert sorted(kind for kind, _ in owners) == sorted([K.LOCK, K.UNLOCK, *[K.REWARD] * 3])
    last = (await world.hub.head()).number
    moved = await world.hub.money_of(right[0].address, BlockNumber(0), last)
    assert {each.task_id for each in moved if each.kind is K.REWARD} == {task}
    assert total(moved, K.DEPOSIT) == 2000 * RLC


@pytest.mark.case("E11")
async def test_every_nrlc_of_a_claim_after_a_reopening_is_found(market):
    world, books = market.world, Books(market.world)
    first, second = world.workers[:2]
    await books.look()
    task = await market.task(trust=4)
    await market.contribute(first, task, RIGHT)
    await market.contribute(second, task, RIGHT)
    await world.deadline((await market.view(task)).reveal_deadline)
    await world.send(world.owner, Reopen(task))
    await books.look()
    await world.deadline((await market.view(task)).final_deadline)
    await world.send(world.requester, Claim((task,)))
    await books.check()
    assert await books.kinds(world.owner) == [(K.LOCK, 30 * RLC), (K.SEIZURE, 30 * RLC)]
    assert await books.kinds(first) == [(K.LOCK, 35 * RLC), (K.UNLOCK, 35 * RLC)]


@pytest.mark.case("E11")
async def test_what_an_account_did_and_paid_for_gas_is_found(market):
    world, worker = market.world, market.world.workers[0]
    task = await market.task()
    call = market.both(worker, task, RIGHT)
    assert isinstance(call, ContributeAndFinalize)
    sent = await world.send(worker, call)
    last, start = (await world.hub.head()).number, BlockNumber(0)
    acts = await world.hub.acts_of([worker.address], start, last)
    assert [each.kind for each in acts] == [EventKind.TASK_CONTRIBUTE, EventKind.TASK_REVEAL]
    assert {each.tx_hash for each in acts} == {sent.tx_hash}
    (put,) = await world.hub.acts_of([market.pool], start, last)
    assert (put.kind, put.task_id) == (EventKind.TASK_INITIALIZE, task)
    unknown = TxHash(bytes(32))
    paid = await world.hub.payments([sent.tx_hash, put.tx_hash, unknown])
    assert set(paid) == {sent.tx_hash, put.tx_hash}
    assert paid[sent.tx_hash].sender == worker.address
    assert paid[put.tx_hash].sender == world.owner.address
    assert paid[sent.tx_hash].cost == sent.gas_used * sent.gas_price
    assert paid[sent.tx_hash].at >= paid[put.tx_hash].at
