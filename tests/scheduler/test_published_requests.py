"""Requests that were published in the pool's market: bought once, as if they had been handed in."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pool_world import PoolWorld
from sale_world import market_for, quiet
from tee_secrets import Secrets, proves_enclaves

from network.world import RLC
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market.requests import MatchQuota
from poolhand.domain.market.waits import (
    MOST_WAITING_STEPS,
    NO_WAIT,
    WAITING_STEP,
    matchers_wait,
    pools_wait,
)
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import ChainTaskStatus, Initialize
from poolhand.domain.orders.model import MatchOrders, RequestOrder, Salt, Signed
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.tee.framework import TeeFramework
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds
from poolhand.keys.wallet import Wallet
from poolhand.market.matcher import Matcher
from poolhand.ports.tee import SecretTerms
from poolhand.scheduler.confidential_sale import TERMS_KEPT
from poolhand.transport.open_requests import ORDERS_PER_REQUEST

HELPER = Wallet.from_key(bytes([251] * 32))
"""Runs a matcher."""
STRANGER = Address(bytes([9] * 20))
FEW_BLOCKS = 8
ALL_WAITS = WAITING_STEP.seconds * MOST_WAITING_STEPS + 6


@asynccontextmanager
async def opened(folder, *, sells=True, world=None, **changes):
    """A pool in a market that has one app for sale, its worker, and a requester without coin."""
    world = world or PoolWorld(folder, preflight=True, **changes)
    async with market_for(world, folder) as market:
        chain, owner, requester = market.chain, world.owner, world.requester
        chain.register(OrderSort.APP, world.app, owner.address)
        chain.deposit(requester.address, world.chain.state.stake_of(requester.address))
        chain.register(OrderSort.WORKERPOOL, STRANGER, owner.address)
        chain.create_category(1, "S", 1200)
        chain.mine()
        await market.follower.advance()
        world.chain.drain(requester.address)
        world.pool.markets = (market.client,)
        await world.start()
        await world.hired(slots=100)
        if sells:
            app = world.orders(1, 900).app
            await market.client.publish(app, owner)
        yield world, market
        await world.stop()


@pytest.fixture
async def stage(tmp_path):
    async with opened(tmp_path) as made:
        yield made


def asked_for(world, **changes):
    """Sign a request that names the pool and pays three times its price."""
    terms = {"workerpool_max_price": NanoRlc(3 * RLC), **changes}
    order = replace(world.orders(1, 1).request.order, **terms)
    return Signed(order, world.requester.sign_order(world.chain.domain, order))


async def publish(world, market, **changes):
    """Publish such a request; return it signed."""
    signed = asked_for(world, **changes)
    await market.client.publish(signed, world.requester)
    return signed


async def goes_on(world, market, blocks=FEW_BLOCKS):
    """Let blocks pass; what is done about each is done before the next."""
    for _ in range(blocks):
        await world.step()
        await quiet(market)


def deals(world):
    return list(world.chain.state.deals.values())


def matches(world):
    return [call for call in world.calls() if isinstance(call, MatchOrders)]


async def test_a_request_that_names_the_pool_is_bought_at_its_price_and_begun_in_one_block(stage):
    world, market = stage
    await publish(world, market, volume=3)
    coin = world.chain.state.coin_of(world.requester.address)
    await goes_on(world, market)
    (deal,) = deals(world)
    assert (deal.workerpool.price, deal.bot_size) == (RLC, 3)
    assert world.chain.state.coin_of(world.requester.address) == coin == 0
    match, first = [
        next(each for each in world.chain.mined() if isinstance(each.sent.call, kind))
        for kind in (MatchOrders, Initialize)
    ]
    assert match.receipt.block == first.receipt.block
    assert match.sent.sender == world.owner.address
    for _, task in deal.tasks():
        assert world.view(task).status is ChainTaskStatus.ACTIVE


async def test_what_was_bought_is_not_bought_again_though_the_book_shows_it_for_ever(stage):
    world, market = stage
    await publish(world, market)
    await goes_on(world, market, ALL_WAITS)
    assert len(matches(world)) == 1
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await world.hired()
    await goes_on(world, market, ALL_WAITS)
    assert len(matches(world)) == len(deals(world)) == 1


async def test_a_pool_killed_when_its_match_is_out_sends_it_once(stage):
    world, market = stage
    await publish(world, market)
    await until_sent(world, market)
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await world.hired()
    await goes_on(world, market)
    assert len(matches(world)) == len(deals(world)) == 1
    assert not world.refused()


async def test_the_rest_of_what_was_bought_in_part_is_bought_and_begun_in_one_block(stage):
    world, market = stage
    request = asked_for(world, volume=4)
    await bought_in_part(world, request)
    await market.client.publish(request, world.requester)
    await goes_on(world, market)
    first, rest = deals(world)
    assert (first.bot_first, first.bot_size) == (0, 1)
    assert (rest.bot_first, rest.bot_size, rest.workerpool.price) == (1, 3, RLC)
    match = next(each for each in world.chain.mined() if rest.deal_id in each.receipt.deals)
    begun = next(
        each
        for each in world.chain.mined()
        if isinstance(each.sent.call, Initialize) and (rest.deal_id, 1) in each.sent.call.tasks
    )
    assert match.receipt.block == begun.receipt.block
    assert [number for _, number in begun.sent.call.tasks] == [1, 2, 3]
    for _, task in rest.tasks():
        assert world.view(task).status is ChainTaskStatus.ACTIVE
    assert not world.refused()


@pytest.mark.parametrize("is_killed", [False, True])
async def test_what_is_bought_in_part_while_the_match_is_out_is_not_sent_again(stage, is_killed):
    world, market = stage
    request = asked_for(world, volume=4)
    await market.client.publish(request, world.requester)
    await until_sent(world, market)
    world.chain.drop()
    await bought_in_part(world, request)
    market.line.paths.clear()
    if is_killed:
        await world.pool.kill()
        world.pool.start()
        await world.settle()
        await world.hired()
    for _ in range(FEW_BLOCKS):
        world.chain.drop()  # the node forgets it as often as its sender broadcasts it
        await goes_on(world, market, 1)
    await goes_on(world, market)
    assert [deal.bot_size for deal in deals(world)] == [1, 3]
    assert "/apporders" not in market.line.paths  # nothing is looked for, nothing signed
    sent = [each for each in world.chain.mined() if isinstance(each.sent.call, MatchOrders)]
    assert [each.sent.sender for each in sent] == [HELPER.address, world.owner.address]


async def until_sent(world, market):
    """Let the pool send a match and its first tasks; no block comes."""
    for _ in range(FEW_BLOCKS):
        world.clock.advance(1)
        await world.settle()
        await quiet(market)
        if world.chain.pool:
            break
    assert len(world.chain.pool) == 2


async def bought_in_part(world, request):
    """Let somebody match one task of a request, with an order of the pool for one."""
    world.chain.fund(HELPER.address, coin=10**30)
    sold = world.orders(1, 1)
    order = replace(sold.workerpool.order, price=NanoRlc(2 * RLC))
    pool = Signed(order, world.owner.sign_order(world.chain.domain, order))
    world.chain.submit(HELPER.address, replace(sold, workerpool=pool, request=request))
    await world.step()


async def test_a_request_for_any_pool_is_left_to_matchers_first(stage):
    world, market = stage
    await publish(world, market, workerpool=ZERO_ADDRESS)
    await goes_on(world, market, WAITING_STEP.blocks)
    assert not matches(world)
    await goes_on(world, market, ALL_WAITS)
    assert len(deals(world)) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"workerpool": STRANGER},
        {"workerpool_max_price": NanoRlc(RLC - 1)},
        {"category": 1},
        {"trust": Trust(900)},
        {"tag": Tag.of(["gpu"])},
        {"params": "x" * 2000},
        {"volume": 1001},
    ],
    ids=lambda changes: next(iter(changes)),
)
async def test_what_would_not_be_sold_to_its_requester_costs_nothing(stage, changes):
    world, market = stage
    await publish(world, market, **changes)
    await goes_on(world, market, ALL_WAITS)
    assert not matches(world)
    assert not world.refused()


async def test_a_request_that_needs_a_gpu_is_bought_once_a_proved_worker_has_one(stage):
    world, market = stage
    await publish(world, market, tag=Tag.of(["gpu"]))
    worker = await world.hired(gpus=1)
    await goes_on(world, market, ALL_WAITS)
    assert not matches(world)
    known = world.scheduler.memory.workers.praise(worker.address)
    world.scheduler.directory.judged(worker.address, known)
    await goes_on(world, market, ALL_WAITS)
    (deal,) = deals(world)
    assert deal.tag.needs_gpu
    (task,) = (name for _, name in deal.tasks())
    assert [each.worker for each in world.offered(task)] == [worker.address]


async def test_free_orders_for_an_enclave_do_not_hide_the_plain_one(tmp_path):
    async with opened(tmp_path, sells=False) as (world, market):
        orders = world.orders(1, 900)
        for salt in range(ORDERS_PER_REQUEST):
            free = replace(orders.app.order, price=NanoRlc(0), salt=Salt(bytes([salt] * 32)))
            shut = replace(free, tag=Tag.of(["tee"]))
            signed = Signed(shut, world.owner.sign_order(world.chain.domain, shut))
            await market.client.publish(signed, world.owner)
        dear = replace(orders.app.order, price=NanoRlc(1))
        signed = Signed(dear, world.owner.sign_order(world.chain.domain, dear))
        await market.client.publish(signed, world.owner)
        await publish(world, market, app_max_price=NanoRlc(1))
        await goes_on(world, market)
        assert [deal.app.price for deal in deals(world)] == [1]


async def test_what_a_requester_may_have_sent_counts_published_requests_too(tmp_path):
    async with opened(tmp_path, purchases_per_hour=2) as (world, market):
        for _ in range(3):
            await publish(world, market)
        await goes_on(world, market, ALL_WAITS)
        assert len(deals(world)) == 2


@pytest.mark.parametrize("refusal", ["matches_requests", "sends_purchases"])
async def test_an_owner_may_leave_it_to_others(tmp_path, refusal):
    async with opened(tmp_path, **{refusal: False}) as (world, market):
        await publish(world, market)
        market.line.paths.clear()
        await goes_on(world, market, ALL_WAITS)
        assert not matches(world)
        assert "/requestorders" not in market.line.paths


async def test_the_fee_of_a_pool_is_paid_where_the_request_allows_it(tmp_path):
    async with opened(tmp_path, purchase_fee=NanoRlc(RLC)) as (world, market):
        await publish(world, market)
        await publish(world, market, workerpool_max_price=NanoRlc(2 * RLC - 1))
        await goes_on(world, market, ALL_WAITS)
        assert [deal.workerpool.price for deal in deals(world)] == [2 * RLC]


async def test_nothing_is_sent_while_no_worker_could_do_it_and_all_of_it_once_one_can(stage):
    world, market = stage
    (worker,) = world.exchange.puppets
    world.scheduler.workers.lost(worker)
    await world.settle()
    await publish(world, market)
    await goes_on(world, market, 20)
    assert not matches(world)
    await world.hired()
    await goes_on(world, market)
    assert len(deals(world)) == 1


async def test_a_matcher_and_the_pool_buy_each_request_once_and_pay_for_none_in_vain(stage):
    world, market = stage
    world.chain.fund(HELPER.address, coin=10**30)
    quota, hub = MatchQuota(100, Seconds(60)), world.chain.hub
    matcher = Matcher(hub, market.client, world.chain.sender(HELPER), quota, world.clock)
    running = asyncio.ensure_future(matcher.run())
    for number in range(6):
        named = {} if number % 2 else {"workerpool": ZERO_ADDRESS}
        await publish(world, market, **named)
        await goes_on(world, market, 4)
    await goes_on(world, market, ALL_WAITS)
    running.cancel()
    assert len(deals(world)) == 6
    assert not world.refused()
    senders = [each.sent.sender for each in world.chain.mined()
               if isinstance(each.sent.call, MatchOrders)]  # fmt: skip
    assert senders.count(HELPER.address) == senders.count(world.owner.address) == 3


async def test_a_flood_of_requests_has_the_market_asked_no_more_often(tmp_path):
    """A market lets one client ask a hundred times a minute, and the pool has orders to publish."""
    async with opened(tmp_path, sells=False) as (world, market):
        await market.client.publish(world.orders(1, 1).app, world.owner)
        for _ in range(45):
            await publish(world, market, volume=2)  # the app is sold for one task
        market.line.paths.clear()
        await goes_on(world, market, 60)
        assert market.line.paths.count("/apporders") > 5
        assert len(market.line.paths) < 90
        assert not matches(world)


# -------------------------------------------------------------------------------------- pure rules

NAMES = st.binary(min_size=32, max_size=32).map(OrderHash)
POOLS = st.binary(min_size=20, max_size=20).filter(any).map(Address)


def asking(pool):
    z, nothing = ZERO_ADDRESS, NanoRlc(0)
    return RequestOrder(
        STRANGER, nothing, z, nothing, pool, nothing, STRANGER, 1, NO_TAG, 0, Trust(1), STRANGER,
        z, "{}", Salt(bytes(32)),
    )  # fmt: skip


@given(NAMES, POOLS)
def test_of_pool_and_matcher_one_goes_first_and_the_other_well_after_it(name, pool):
    for named in (pool, ZERO_ADDRESS):
        waits = sorted(
            (each.blocks, each.seconds)
            for each in (matchers_wait(asking(named)), pools_wait(name, asking(named), pool))
        )
        assert waits[0] == (NO_WAIT.blocks, NO_WAIT.seconds)
        assert waits[1] >= (WAITING_STEP.blocks, WAITING_STEP.seconds)


async def test_of_those_who_ask_for_an_enclave_only_who_names_the_pool_gets_a_simulated_one(
    tmp_path,
):
    world = PoolWorld(tmp_path, preflight=True, sms_url="http://sms.test", simulated_tee="root")
    world.pool.challenges = secrets = Secrets()
    async with opened(tmp_path, world=world) as (_, market):
        tdx = TeeFramework.TDX
        puppet = await world.hired(slots=100)
        proves_enclaves(world, puppet, tdx)
        app = replace(world.orders(1, 900).app.order, tag=tdx.tag)
        signed = Signed(app, world.owner.sign_order(world.chain.domain, app))
        await market.client.publish(signed, world.owner)
        unnamed = await publish(world, market, tag=tdx.tag, workerpool=ZERO_ADDRESS)
        named = await publish(world, market, tag=tdx.tag)
        await goes_on(world, market, int(TERMS_KEPT) + ALL_WAITS)
        assert [each.request for each in matches(world)] == [named]
        secrets.told = SecretTerms(tdx, is_simulated=False)
        await goes_on(world, market, int(TERMS_KEPT) + ALL_WAITS)
        assert [each.request for each in matches(world)] == [named, unnamed]
