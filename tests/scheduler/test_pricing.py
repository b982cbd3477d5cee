"""The pool as a seller: what it signs can be bought, and what it cannot do is not signed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from network.world import RLC
from poolhand.domain.app_record import FAILING_BUYERS
from poolhand.domain.ids import Address
from poolhand.domain.onchain import Withdraw
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.offering import NoWorkerForIt, TrustOutOfReach
from poolhand.domain.params import UnfitParams
from poolhand.domain.reputation import FIRST_REST_OF_WALLET, REQUESTERS_TRIES
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.signatures import recover
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.scheduler.preflight import (
    AppFailsHere,
    Asked,
    PoolStakeTooLow,
    RequestsFailHere,
    TooManyOpenTasks,
    TooManyOrders,
)
from poolhand.scheduler.pricing import (
    ANYBODYS_VOLUME,
    MOST_ORDERS_KEPT,
    ORDER_HANDED_OUT_FOR,
    UNSEEN_FOR,
    VOLUME,
    NotSold,
)

GPU = Tag.of(["gpu"])
SOMEBODY, RIVAL = Address(bytes([5] * 20)), Address(bytes([6] * 20))


def asked(category=0, trust=1, tag=NO_TAG, volume=1, **more):
    return Asked(category, Trust(trust), tag, volume, **more)


@pytest.fixture
async def seller(pool):
    world = await pool(prices={0: NanoRlc(RLC), 2: NanoRlc(12 * RLC)}, highest_trust=Trust(10))
    return world, world.scheduler.pricing


@pytest.fixture
async def careful(pool):
    """A pool that looks first whether its workers can do it."""

    async def make(**terms):
        world = await pool(prices={0: NanoRlc(RLC)}, preflight=True, **terms)
        return world, world.scheduler.pricing

    return make


async def test_an_order_names_pool_price_and_terms_and_is_signed_by_the_owner(seller):
    world, pricing = seller
    app = world.app
    signed = await pricing.order(asked(2, 5, volume=7, requester=SOMEBODY, app=app))
    order = signed.order
    assert (order.workerpool, order.price, order.category) == (world.workerpool, 12 * RLC, 2)
    assert (order.trust, order.tag, order.volume) == (5, NO_TAG, 7)
    assert (order.requester_restrict, order.app_restrict) == (SOMEBODY, app)
    name = order_hash(world.chain.domain, order)
    assert recover(name, signed.signature) == world.owner.address


async def test_the_chain_matches_an_order_that_the_pool_sold(seller):
    world, pricing = seller
    who = world.requester.address
    sold = await pricing.order(asked(volume=2, requester=who, app=world.app))
    orders = replace(world.orders(1, 2), workerpool=sold)
    world.chain.submit(who, orders)
    await world.step()
    (deal,) = world.chain.state.deals.values()
    assert (deal.workerpool.price, deal.bot_size) == (RLC, 2)


async def test_the_same_question_gets_the_same_order_until_it_is_used_or_old(seller):
    world, pricing = seller
    first = await pricing.order(asked())
    assert await pricing.order(asked()) is first
    for another in (asked(trust=2), asked(2), asked(volume=2), asked(requester=SOMEBODY)):
        assert await pricing.order(another) is not first
    world.chain.state.consumed[order_hash(world.chain.domain, first.order)] = 1
    await world.step()
    second = await pricing.order(asked())
    assert second is not first
    assert second.order.salt != first.order.salt
    await world.step(ORDER_HANDED_OUT_FOR)
    assert await pricing.order(asked()) is not second


async def test_who_asks_again_at_once_is_given_another_order_for_it_may_have_bought(seller):
    world, pricing = seller
    mine = asked(requester=SOMEBODY)
    first, second = await pricing.order(mine), await pricing.order(mine)
    assert first.order.salt != second.order.salt
    await world.step(UNSEEN_FOR)
    assert await pricing.order(mine) is second


async def test_an_order_that_was_bought_with_is_not_given_again_though_the_chain_took_it_back(
    seller,
):
    """The requester's program may send the lost purchase again: the order is used then."""
    world, pricing = seller
    mine = asked(requester=world.requester.address)
    first = await pricing.order(mine)
    await world.deal()
    world.chain.state.consumed.clear()
    await world.step(UNSEEN_FOR)
    assert await pricing.order(mine) is not first


async def test_an_order_for_anybody_is_a_small_one(seller):
    _, pricing = seller
    assert (await pricing.order(asked(volume=ANYBODYS_VOLUME))).order.volume == ANYBODYS_VOLUME
    with pytest.raises(NotSold, match="name the requester"):
        await pricing.order(asked(volume=ANYBODYS_VOLUME + 1))
    sold = await pricing.order(asked(volume=VOLUME, requester=SOMEBODY))
    assert sold.order.volume == VOLUME


@pytest.mark.parametrize(
    ("category", "trust", "tag", "volume", "word"),
    [
        (1, 1, NO_TAG, 1, "choose one of 0, 2"),
        (0, 11, NO_TAG, 1, "the highest is 10"),
        (0, 1, Tag.of(["tee", "scone"]), 1, "no secret management service"),
        (0, 1, Tag.of(["gramine"]), 1, "exactly one framework"),
        (0, 1, NO_TAG, VOLUME + 1, "at most 1000"),
        (0, 1, Tag(bytes([1] + [0] * 31)), 1, "bit 248"),
    ],
)
async def test_what_is_not_sold_is_refused_with_what_is(seller, category, trust, tag, volume, word):
    _, pricing = seller
    with pytest.raises(NotSold, match=word):
        await pricing.order(asked(category, trust, tag, volume, requester=SOMEBODY))


# ------------------------------------------------------------------ what the workers can do


@pytest.mark.case("A3")
async def test_where_nobody_takes_tasks_nothing_is_sold(careful):
    world, pricing = await careful()
    with pytest.raises(NoWorkerForIt, match="takes tasks now"):
        await pricing.order(asked())
    worker = await world.hired()
    assert await pricing.order(asked())
    await worker.pauses("lunch")
    with pytest.raises(NoWorkerForIt, match="takes tasks now"):
        await pricing.order(asked())


@pytest.mark.case("A3")
async def test_a_gpu_is_not_sold_that_a_worker_only_has_a_flag_of(careful):
    """A worker of an older version gives apps none: what was sold would be declined."""
    world, pricing = await careful()
    worker = world.hire()
    worker.gpu = True
    await worker.arrives()
    known = world.scheduler.memory.workers.praise(worker.address)
    world.scheduler.directory.judged(worker.address, known)
    with pytest.raises(NoWorkerForIt, match="ask without the tag gpu"):
        await pricing.order(asked(tag=GPU))


@pytest.mark.case("A3")
async def test_that_a_worker_has_a_gpu_is_believed_only_once_it_has_proved_itself(careful):
    world, pricing = await careful()
    await world.hired()
    claims = await world.hired(gpus=1)
    with pytest.raises(NoWorkerForIt, match="proved itself: ask without"):
        await pricing.order(asked(tag=GPU))
    assert await pricing.order(asked())
    known = world.scheduler.memory.workers.praise(claims.address)
    world.scheduler.directory.judged(claims.address, known)
    assert (await pricing.order(asked(tag=GPU))).order.tag == GPU
    with pytest.raises(TrustOutOfReach, match="trust 3"):
        await pricing.order(asked(tag=GPU, trust=3))


@pytest.mark.case("A3")
async def test_no_trust_is_sold_that_the_workers_cannot_reach(careful):
    world, pricing = await careful()
    for _ in range(2):
        await world.hired()
    assert pricing.highest_trust == 4
    assert await pricing.order(asked(trust=4))
    with pytest.raises(TrustOutOfReach, match="ask for trust 4 or less"):
        await pricing.order(asked(trust=10))
    veteran = world.hire()
    world.chain.set_score(veteran.address, 30)
    await veteran.arrives()
    assert await pricing.order(asked(trust=10))
    assert pricing.highest_trust == 2 * 2 * 9


@pytest.mark.case("A3")
async def test_who_lacks_the_stake_of_the_deal_is_not_counted(careful):
    world, pricing = await careful()
    await world.hired(stake=0)
    with pytest.raises(NoWorkerForIt, match="free stake"):
        await pricing.order(asked())


@pytest.mark.case("A3")
async def test_a_pool_does_not_sell_more_than_its_owner_can_stake_for(careful):
    world, pricing = await careful()
    await world.hired()
    owner = world.owner.address
    left = 3 * scheduler_stake(NanoRlc(RLC))
    free = world.chain.state.stake_of(owner)
    world.chain.submit(owner, Withdraw(NanoRlc(free - left)))
    await world.step()
    assert await pricing.order(asked(volume=3))
    with pytest.raises(PoolStakeTooLow, match="the owner deposits it"):
        await pricing.order(asked(volume=4))


async def test_params_that_no_worker_could_read_are_not_sold(seller):
    _, pricing = seller
    assert await pricing.order(asked(params='{"iexec_args":"hello"}'))
    with pytest.raises(UnfitParams):
        await pricing.order(asked(params='{"iexec_args":"a\\u0000b"}'))


@pytest.mark.case("A3")
async def test_what_has_failed_here_is_not_sold_again_for_a_while(careful):
    world, pricing = await careful()
    await world.hired()
    memory, now = world.scheduler.memory, world.clock.now
    memory.apps.blame(world.app, SOMEBODY, now(), has_paid=True)
    with pytest.raises(AppFailsHere, match="failed 1 time"):
        await pricing.order(asked(app=world.app, requester=SOMEBODY))
    assert await pricing.order(asked(app=SOMEBODY, requester=SOMEBODY))
    await world.step(FIRST_REST_OF_WALLET)
    assert await pricing.order(asked(app=world.app, requester=SOMEBODY))


@pytest.mark.case("A3")
async def test_a_rival_who_buys_what_must_fail_keeps_nobody_else_from_the_app(careful):
    world, pricing = await careful()
    await world.hired()
    memory, now = world.scheduler.memory, world.clock.now
    for _ in range(50):
        memory.apps.blame(world.app, RIVAL, now(), has_paid=True)
    with pytest.raises(AppFailsHere, match=f"what {RIVAL} bought here"):
        await pricing.order(asked(app=world.app, requester=RIVAL))
    assert await pricing.order(asked(app=world.app, requester=SOMEBODY))
    assert await pricing.order(asked(app=world.app))


@pytest.mark.case("A3")
async def test_what_failed_for_several_buyers_is_sold_to_those_only_for_whom_it_runs(careful):
    world, pricing = await careful()
    await world.hired()
    memory, now = world.scheduler.memory, world.clock.now
    memory.apps.praise(world.app, RIVAL)
    for number in range(FAILING_BUYERS):
        buyer = Address(bytes([10 + number] * 20))
        memory.apps.blame(world.app, buyer, now(), has_paid=True)
    for told in ({}, {"requester": SOMEBODY}):
        with pytest.raises(AppFailsHere, match=f"failed for {FAILING_BUYERS} buyers"):
            await pricing.order(asked(app=world.app, **told))
    assert await pricing.order(asked(app=world.app, requester=RIVAL))
    await world.step(FIRST_REST_OF_WALLET)
    assert await pricing.order(asked(app=world.app, requester=SOMEBODY))


@pytest.mark.case("A3")
async def test_a_requester_whose_apps_fail_is_still_sold_others(careful):
    world, pricing = await careful()
    await world.hired()
    memory, now = world.scheduler.memory, world.clock.now
    for _ in range(REQUESTERS_TRIES):
        memory.requesters.blame(SOMEBODY, now())
        assert await pricing.order(asked(requester=SOMEBODY, app=world.app))
    memory.requesters.blame(SOMEBODY, now())
    with pytest.raises(RequestsFailHere, match="read the logs"):
        await pricing.order(asked(requester=SOMEBODY, app=world.app))
    memory.apps.praise(world.app, world.requester.address)
    assert await pricing.order(asked(requester=SOMEBODY, app=world.app)), "it runs here"
    with pytest.raises(RequestsFailHere, match="an app that has run here"):
        await pricing.order(asked(requester=SOMEBODY))
    await world.step(FIRST_REST_OF_WALLET)
    assert await pricing.order(asked(requester=SOMEBODY))


# ------------------------------------------------------------------------------------ quotas


@pytest.mark.case("A3")
async def test_one_requester_has_only_so_many_tasks_open(pool):
    world = await pool(prices={0: NanoRlc(RLC)}, tasks_per_requester=5)
    pricing, me = world.scheduler.pricing, world.requester.address
    await world.deal(tasks=3)
    assert await pricing.order(asked(volume=2, requester=me))
    with pytest.raises(TooManyOpenTasks, match=r"has 3 task\(s\) open .* ask for 2 or fewer"):
        await pricing.order(asked(volume=3, requester=me))
    assert await pricing.order(asked(volume=5, requester=SOMEBODY))
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    assert world.scheduler.open_tasks.of(me) == 3
    await world.pass_to(world.deals[0].start_time + 10 * 300)
    await world.done()
    assert world.scheduler.open_tasks.of(me) == 0


@pytest.mark.case("A3", "N2")
async def test_one_caller_is_signed_only_so_many_orders_a_minute(pool):
    world = await pool(prices={0: NanoRlc(RLC)}, orders_per_minute=3)
    pricing = world.scheduler.pricing
    for trust in (1, 2, 3):
        await pricing.order(asked(trust=trust, caller="203.0.113.7"))
    assert await pricing.order(asked(trust=1, caller="203.0.113.7")), "it is signed already"
    with pytest.raises(TooManyOrders, match="ask again in 60 s"):
        await pricing.order(asked(trust=4, caller="203.0.113.7"))
    assert await pricing.order(asked(trust=4, caller="203.0.113.8"))
    await world.step(60)
    assert await pricing.order(asked(trust=5, caller="203.0.113.7"))


@pytest.mark.case("A3", "N2")
async def test_no_more_orders_are_kept_than_a_bound(pool):
    world = await pool(prices={0: NanoRlc(RLC)}, orders_per_minute=10**6)
    pricing = world.scheduler.pricing
    first = await pricing.order(asked(requester=SOMEBODY))
    second = await pricing.order(asked(requester=SOMEBODY, trust=2))
    for number in range(MOST_ORDERS_KEPT - 1):
        await pricing.order(asked(requester=Address(number.to_bytes(20, "big"))))
    await world.step(UNSEEN_FOR)
    assert await pricing.order(asked(requester=SOMEBODY, trust=2)) is second
    assert await pricing.order(asked(requester=SOMEBODY)) is not first


async def test_a_deal_that_nobody_here_can_do_is_told_at_once(careful):
    world, _ = await careful()
    deal = await world.deal()
    assert "takes tasks now" in world.scheduler.preflight.obstacle(deal)
    worker = await world.hired()
    assert world.scheduler.preflight.obstacle(deal) is None
    assert "takes tasks now" in world.scheduler.preflight.obstacle(deal, {worker.address})


@pytest.mark.case("A3")
async def test_a_worker_that_has_lost_its_turn_is_still_one_that_could_do_what_was_bought(careful):
    world, _ = await careful()
    worker, other = await world.hired(), await world.hired()
    deal = await world.deal(trust=3)
    assert world.scheduler.preflight.obstacle(deal) is None
    blamed = world.scheduler.memory.workers.blame(worker.address, world.clock.now())
    world.scheduler.directory.judged(worker.address, blamed)
    assert world.scheduler.preflight.obstacle(deal) is None
    await other.leaves()
    assert "out of reach" in world.scheduler.preflight.obstacle(deal)


async def test_a_worker_that_rests_and_talks_on_is_remembered_once(careful):
    """Else whoever has lost its turn could have the pool keep more with each message."""
    world, _ = await careful()
    worker, takers = await world.hired(), world.scheduler.preflight.takers
    blamed = world.scheduler.memory.workers.blame(worker.address, world.clock.now())
    world.scheduler.directory.judged(worker.address, blamed)
    for _ in range(20):
        await worker.pauses("a reason")
        await worker.pauses(None)
    assert [found for _, found in takers._resting] == [worker.address]
    await world.step(blamed.rests_until - world.clock.now())
    assert len(takers.now()) == 1
    assert not takers._resting
