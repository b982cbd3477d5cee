"""What PoCo refuses, told to the fake chain and to the real contracts: both must agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hub_world import RIGHT, RLC, WRONG, digest

from poolhand.chain.errors import (
    AlreadyInitialized,
    AlreadyRevealed,
    AssetExists,
    BadAuthorization,
    BadPolicy,
    BalanceTooLow,
    CallbackMismatch,
    DigestMismatch,
    NotFinalizable,
    NotOwner,
    NotPoolOwner,
    NotReopenable,
    NotRevealable,
    OrdersRefused,
    OrderUnsigned,
    TrustTooHigh,
    UnknownDeal,
)
from poolhand.domain.errors import (
    AlreadyContributed,
    DeadlineReached,
    Reverted,
    StakeTooLow,
    TaskNotActive,
)
from poolhand.domain.ids import Address, DealId, OrderHash, TaskId
from poolhand.domain.onchain import (
    ChangePolicy,
    CreateWorkerpool,
    Deposit,
    Finalize,
    Initialize,
    Reopen,
    TransferRlc,
    Withdraw,
)
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import CloseOrder, Signed
from poolhand.domain.units import NanoRlc


async def test_orders_that_do_not_fit_are_refused_by_number(market):
    world = market.world
    good = market.orders()
    with pytest.raises(OrdersRefused) as caught:
        await world.send(
            world.requester,
            replace(good, app=replace(good.app, order=replace(good.app.order, price=RLC * 99))),
        )
    assert caught.value.number == 0x03
    forged = Signed(good.request.order, good.app.signature)
    with pytest.raises(OrdersRefused) as caught:
        await world.send(world.requester, replace(good, request=forged))
    assert caught.value.number == 0x50
    with pytest.raises(OrderUnsigned):
        await world.send(
            world.requester, replace(good, workerpool=replace(good.workerpool, signature=b""))
        )
    await world.send(world.requester, good)
    with pytest.raises(OrdersRefused) as caught:
        await world.send(world.requester, good)
    assert caught.value.number == 0x60
    used = order_hash(world.domain, good.request.order)
    unused = OrderHash(bytes(32))
    assert await world.hub.consumed([used, unused]) == {used: 1, unused: 0}


@pytest.mark.parametrize("sort", ["app", "dataset", "workerpool", "request"])
async def test_with_an_order_that_its_owner_closed_nothing_more_is_bought(market, sort):
    world = market.world
    good = market.orders(tasks=2, dataset=True)
    order = getattr(good, sort).order
    owner = world.requester if sort == "request" else world.owner
    await world.send(owner, CloseOrder(order))
    assert await world.hub.consumed([order_hash(world.domain, order)]) == {
        order_hash(world.domain, order): order.volume
    }
    await world.send(owner, CloseOrder(order))
    with pytest.raises(OrdersRefused) as caught:
        await world.send(world.requester, good)
    assert caught.value.number == 0x60


async def test_nobody_closes_the_order_of_another(market):
    world = market.world
    good = market.orders()
    with pytest.raises(Reverted):
        await world.send(world.requester, CloseOrder(good.workerpool.order))
    await world.send(world.requester, good)


async def test_a_deal_nobody_can_pay_is_refused(market):
    world = market.world
    stake, _ = await world.stake(world.requester)
    await world.send(world.requester, Withdraw(NanoRlc(stake)))
    with pytest.raises(StakeTooLow):
        await world.send(world.requester, market.orders())
    await world.send(world.requester, Deposit(NanoRlc(stake)))


async def test_initialize_is_refused(market):
    world = market.world
    deal = await market.deal()
    with pytest.raises(UnknownDeal):
        await world.send(world.owner, Initialize(((DealId(b"\x07" * 32), 0),)))
    with pytest.raises(UnknownDeal):
        await world.send(world.owner, Initialize(((deal.deal_id, 1),)))
    await world.send(world.owner, Initialize(((deal.deal_id, 0),)))
    with pytest.raises(AlreadyInitialized):
        await world.send(world.owner, Initialize(((deal.deal_id, 0),)))


async def test_contribute_is_refused(market):
    world = market.world
    worker, other, third = world.workers[:3]
    with pytest.raises(TaskNotActive):
        await market.contribute(worker, TaskId(b"\x07" * 32), RIGHT)
    task = await market.task(trust=4)
    call = market.contribution(worker, task, RIGHT)
    with pytest.raises(BadAuthorization):
        await world.send(worker, replace(call, authorization=market.authorization(other, task)))
    with pytest.raises(BadAuthorization):
        await world.send(worker, replace(call, authorization=b"short"))
    await world.send(worker, call)
    with pytest.raises(AlreadyContributed):
        await world.send(worker, call)
    await market.contribute(other, task, RIGHT)
    with pytest.raises(TaskNotActive):
        await market.contribute(third, task, RIGHT)


async def test_a_worker_without_stake_is_refused(market):
    world, worker = market.world, market.world.workers[0]
    stake, _ = await world.stake(worker)
    await world.send(worker, Withdraw(NanoRlc(stake - 34 * RLC)))
    task = await market.task()
    with pytest.raises(StakeTooLow):
        await market.contribute(worker, task, RIGHT)
    await world.send(worker, market.both(worker, task, RIGHT))


async def test_reveal_is_refused(market):
    world = market.world
    worker, other = world.workers[:2]
    task = await market.task(trust=4)
    await market.contribute(worker, task, RIGHT)
    with pytest.raises(NotRevealable):
        await market.reveal(worker, task, RIGHT)
    await market.contribute(other, task, RIGHT)
    with pytest.raises(NotRevealable):
        await market.reveal(world.workers[2], task, RIGHT)
    with pytest.raises(DigestMismatch):
        await market.reveal(worker, task, WRONG)
    await market.reveal(worker, task, RIGHT)
    with pytest.raises(AlreadyRevealed):
        await market.reveal(worker, task, RIGHT)


async def test_a_copied_contribution_cannot_be_revealed(market):
    world = market.world
    honest, thief = world.workers[:2]
    task = await market.task(trust=4)
    original = market.contribution(honest, task, RIGHT)
    await world.send(honest, original)
    authorization = market.authorization(thief, task)
    await world.send(thief, replace(original, authorization=authorization))
    with pytest.raises(DigestMismatch):
        await market.reveal(thief, task, RIGHT)


async def test_finalize_is_refused(market):
    world, worker = market.world, market.world.workers[0]
    task = await market.task()
    with pytest.raises(NotFinalizable):
        await market.finalize(task)
    await market.contribute(worker, task, RIGHT)
    with pytest.raises(NotFinalizable):
        await market.finalize(task)
    await market.reveal(worker, task, RIGHT)
    with pytest.raises(NotPoolOwner):
        await world.send(worker, Finalize(task, b"", b""))
    with pytest.raises(CallbackMismatch):
        await world.send(world.owner, Finalize(task, b"", b"surprise"))
    with pytest.raises(NotReopenable):
        await world.send(world.owner, Reopen(task))
    await world.deadline((await market.view(task)).final_deadline)
    with pytest.raises(DeadlineReached):
        await market.finalize(task)


async def test_contribute_and_finalize_is_refused(market):
    world = market.world
    worker, other = world.workers[:2]
    careful = await market.task(trust=2)
    with pytest.raises(TrustTooHigh):
        await world.send(worker, market.both(worker, careful, RIGHT))
    task = await market.task(callback=Address(b"\x0c" * 20))
    with pytest.raises(CallbackMismatch):
        await world.send(worker, market.both(worker, task, RIGHT))
    call = replace(market.both(worker, task, digest("data")), callback_data=b"data")
    await world.send(worker, call)
    with pytest.raises(TaskNotActive):
        await world.send(other, market.both(other, task, RIGHT))


async def test_assets_and_money_are_guarded(market):
    world = market.world
    owner, stranger = world.owner, world.workers[0]
    twice = CreateWorkerpool(owner.address, f"twice {market.pool}")
    made = await world.send(owner, twice)
    with pytest.raises(AssetExists):
        await world.send(stranger, twice)
    with pytest.raises(NotOwner):
        await world.send(stranger, ChangePolicy(made.created, 1, 1))
    with pytest.raises(BadPolicy):
        await world.send(owner, ChangePolicy(made.created, 1, 101))
    pool = await world.hub.workerpool(made.created)
    assert (pool.worker_stake_percent, pool.scheduler_percent) == (30, 1)
    owned = await world.hub.workerpools_of(owner.address, 200)
    assert pool in owned
    assert len(owned) > 1
    assert await world.hub.workerpools_of(owner.address, 1) == owned[:1]
    assert await world.hub.workerpools_of(stranger.address, 200) == ()
    huge = NanoRlc(10**20)
    for call in (Deposit(huge), Withdraw(huge), TransferRlc(owner.address, huge)):
        with pytest.raises(BalanceTooLow):
            await world.send(stranger, call)
