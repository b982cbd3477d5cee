"""What PoCo does, told to the fake chain and to the real contracts: both must agree.

Amounts are those of the specification's worked example (section 16): pool 100 RLC, app 3,
dataset 5, scheduler's share 5 %, worker stake 35 %.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from hub_world import RLC, Market, World, digest

from poolhand.chain.errors import (
    AlreadyInitialized,
    AlreadyRevealed,
    AssetExists,
    BadAuthorization,
    BadPolicy,
    BalanceTooLow,
    CallbackMismatch,
    DigestMismatch,
    NotAlone,
    NotClaimable,
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
from poolhand.domain.hashes import result_hash, task_id
from poolhand.domain.ids import Address, DealId, OrderHash, TaskId
from poolhand.domain.onchain import (
    ChainTaskStatus,
    ChangePolicy,
    Claim,
    ContributionStatus,
    CreateWorkerpool,
    Deposit,
    EventKind,
    Finalize,
    Initialize,
    Reopen,
    Reveal,
    TransferRlc,
    Withdraw,
)
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import CloseOrder, Signed
from poolhand.domain.units import BlockNumber, NanoRlc

RIGHT, WRONG = digest("right"), digest("wrong")


@pytest.fixture
async def market(world: World):
    before = await world.total()
    opened = await Market.open(world)
    yield opened
    assert await world.total() == before


# --------------------------------------------------------------------------------- the good days


async def test_two_workers_agree_and_everybody_is_paid(market):
    world = market.world
    first, second = world.workers[:2]
    before = {wallet: await world.stake(wallet) for wallet in world.wallets}
    task = await market.task(trust=4, dataset=True)

    await market.contribute(first, task, RIGHT)
    assert (await market.view(task)).status is ChainTaskStatus.ACTIVE
    await market.contribute(second, task, RIGHT)
    view = await market.view(task, first)
    assert view.status is ChainTaskStatus.REVEALING
    assert (view.winner_counter, view.reveal_counter) == (2, 0)
    assert view.consensus == result_hash(task, RIGHT)
    assert view.contributions[first.address].log_weight == 1
    assert view.reveal_deadline == view.block_time + 2 * view.time_ref

    await market.reveal(first, task, RIGHT)
    await market.reveal(second, task, RIGHT)
    await market.finalize(task)
    view = await market.view(task, first, second)
    assert view.status is ChainTaskStatus.COMPLETED
    assert (view.results, view.digest) == (b"link", RIGHT)
    assert view.contributors == (first.address, second.address)
    assert {seen.status for seen in view.contributions.values()} == {ContributionStatus.PROVED}

    gains = {wallet: (await world.stake(wallet))[0] - before[wallet][0] for wallet in world.wallets}
    assert gains[world.requester] == -108 * RLC
    assert gains[first] == gains[second] == 47_500_000_000
    kitty = await world.hub.kitty()
    assert kitty == 0
    assert gains[world.owner] == 8 * RLC + 5 * RLC
    scores = await world.hub.scores([first.address, second.address])
    assert min(scores.values()) >= 1


async def test_a_lone_worker_gains_no_score(market):
    world, worker = market.world, market.world.workers[0]
    before = (await world.hub.scores([worker.address]))[worker.address]
    task = await market.task()
    await market.contribute(worker, task, RIGHT)
    assert (await world.stake(worker))[1] == 35 * RLC
    await market.reveal(worker, task, RIGHT)
    await market.finalize(task)
    assert (await world.stake(worker))[1] == 0
    assert (await world.hub.scores([worker.address]))[worker.address] == before


async def test_contribute_and_finalize_ends_a_task_at_once(market):
    world, worker = market.world, market.world.workers[0]
    before = await world.stake(worker)
    task = await market.task()
    await world.send(worker, market.both(worker, task, RIGHT))
    view = await market.view(task, worker)
    assert view.status is ChainTaskStatus.COMPLETED
    assert (view.winner_counter, view.reveal_counter) == (1, 1)
    assert view.contributions[worker.address].status is ContributionStatus.PROVED
    assert view.contributions[worker.address].log_weight == 0
    stake, locked = await world.stake(worker)
    assert (stake - before[0], locked) == (95 * RLC, 0)
    kinds = [event.kind for event in await world.hub.task_events(task, BlockNumber(0))]
    assert kinds == [
        EventKind.TASK_INITIALIZE,
        EventKind.TASK_CONTRIBUTE,
        EventKind.TASK_CONSENSUS,
        EventKind.TASK_REVEAL,
        EventKind.TASK_FINALIZE,
    ]


# ---------------------------------------------------------------------------------- the bad days


async def test_a_wrong_worker_pays_the_right_ones(market):
    """One wrong of four: R = 135, three workers get 42.75 each, the scheduler 6.75."""
    world = market.world
    liar, *honest = world.workers[:4]
    before = {wallet: (await world.stake(wallet))[0] for wallet in world.wallets}
    task = await market.task(trust=3, dataset=True)
    await market.contribute(liar, task, WRONG)
    for worker in honest:
        await market.contribute(worker, task, RIGHT)
    with pytest.raises(NotRevealable):
        await market.reveal(liar, task, WRONG)
    for worker in honest:
        await market.reveal(worker, task, RIGHT)
    await market.finalize(task)
    gains = {wallet: (await world.stake(wallet))[0] - before[wallet] for wallet in world.wallets}
    assert gains[liar] == -35 * RLC
    assert [gains[worker] for worker in honest] == [42_750_000_000] * 3
    assert gains[world.owner] == 8 * RLC + 6_750_000_000
    view = await market.view(task, liar)
    assert view.contributions[liar.address].status is ContributionStatus.CONTRIBUTED


async def test_a_silent_winner_is_slashed_after_the_reveal_deadline(market):
    world = market.world
    speaks, silent = world.workers[:2]
    before = (await world.stake(silent))[0]
    task = await market.task(trust=4)
    for worker in (speaks, silent):
        await market.contribute(worker, task, RIGHT)
    await market.reveal(speaks, task, RIGHT)
    with pytest.raises(NotFinalizable):
        await market.finalize(task)
    await world.deadline((await market.view(task)).reveal_deadline)
    with pytest.raises(DeadlineReached):
        await market.reveal(silent, task, RIGHT)
    await market.finalize(task)
    assert (await world.stake(silent))[0] - before == -35 * RLC


async def test_a_task_nobody_reveals_is_reopened_and_done_by_others(market):
    world = market.world
    silent, worker = world.workers[:2]
    task = await market.task()
    await market.contribute(silent, task, WRONG)
    with pytest.raises(NotReopenable):
        await world.send(world.owner, Reopen(task))
    await world.deadline((await market.view(task)).reveal_deadline)
    await world.send(world.owner, Reopen(task))
    view = await market.view(task, silent)
    assert view.status is ChainTaskStatus.ACTIVE
    assert view.contributions[silent.address].status is ContributionStatus.REJECTED
    assert (view.reveal_deadline, view.winner_counter, view.consensus) == (0, 0, bytes(32))
    with pytest.raises(AlreadyContributed):
        await market.contribute(silent, task, RIGHT)
    with pytest.raises(NotAlone):
        await world.send(worker, market.both(worker, task, RIGHT))
    await market.contribute(worker, task, WRONG)
    await market.reveal(worker, task, WRONG)
    before = (await world.stake(silent))[1]
    await market.finalize(task)
    assert (await world.stake(silent))[1] - before == -35 * RLC


async def test_a_task_out_of_time_is_claimed_and_feeds_the_kitty(market):
    world, worker = market.world, market.world.workers[0]
    before = {wallet: await world.stake(wallet) for wallet in world.wallets}
    kitty = await world.hub.kitty()
    deal = await market.deal(trust=4, tasks=2)
    tasks = tuple(name for _, name in deal.tasks())
    await world.send(
        world.owner, Initialize(tuple((deal.deal_id, index) for index, _ in deal.tasks()))
    )
    await market.contribute(worker, tasks[0], RIGHT)
    with pytest.raises(NotClaimable):
        await world.send(world.requester, Claim(tasks))
    view = await market.view(tasks[0])
    await world.deadline(view.contribution_deadline)
    with pytest.raises(DeadlineReached):
        await market.contribute(world.workers[1], tasks[0], RIGHT)
    await world.deadline(view.final_deadline)
    await world.send(world.requester, Claim(tasks))
    assert (await market.view(tasks[1])).status is ChainTaskStatus.FAILED
    assert await world.stake(worker) == before[worker]
    assert await world.stake(world.requester) == before[world.requester]
    assert await world.hub.kitty() - kitty == 60 * RLC
    stake, locked = before[world.owner]
    assert await world.stake(world.owner) == (stake - 60 * RLC, locked)
    with pytest.raises(NotClaimable):
        await world.send(world.requester, Claim(tasks[:1]))

    lucky = await market.task()
    await market.contribute(worker, lucky, RIGHT)
    await market.reveal(worker, lucky, RIGHT)
    await market.finalize(lucky)
    assert await world.hub.kitty() == kitty + 60 * RLC - max((kitty + 60 * RLC) // 10, RLC)


# ------------------------------------------------------------------------------ refusals, by leaf


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


# ---------------------------------------------------------------------------------- reading along


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
