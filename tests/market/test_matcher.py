"""Requests are matched by somebody else's transaction: once, whatever crashes, and cheapest first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market_stall import RIVAL, SELLER, Stall, open_stall, salt
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market.requests import LONGEST_PAUSE_OF_REQUEST, Backoff, MatchQuota
from poolhand.domain.market.waits import WAITING_STEP
from poolhand.domain.orders.model import MatchOrders, RequestOrder
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, Seconds, UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.market.matcher import Matcher
from poolhand.store.errors import JournalFull
from poolhand.transport.clock import ManualClock
from poolhand.transport.open_requests import ORDERS_PER_REQUEST
from requester_market import RLC, open_market

HELPER = Wallet.from_key(bytes([6] * 32))
"""Pays the gas, and has nothing else to do with anybody."""
CLUB = Address(b"\xc1" * 20)
ENCLAVE = Tag.of(["tee", "scone"])


class Crash(BaseException):
    """The program dies."""


@pytest.fixture
async def stall(tmp_path):
    world = await open_market(tmp_path)
    async with world.http, open_stall(world, tmp_path) as made:
        made.app_address = await made.app()
        await made.sell_app(made.app_address)
        yield made


def matcher(stall: Stall, clock=None, most: int = 100) -> Matcher:
    """Start the program: after a crash again."""
    chain = stall.world.chain
    quota = MatchQuota(most, Seconds(60))
    return Matcher(chain.hub, stall.client, chain.sender(HELPER), quota, clock or ManualClock())


async def ask(
    stall: Stall, price: int = 5 * RLC, by: Wallet | None = None, **changes
) -> RequestOrder:
    wallet, z = by or stall.world.wallet, ZERO_ADDRESS
    request = RequestOrder(
        stall.app_address, NanoRlc(0), z, NanoRlc(0), z, NanoRlc(price), wallet.address, 1, NO_TAG,
        0, Trust(1), wallet.address, z, "{}", salt(),
    )  # fmt: skip
    request = replace(request, **changes)
    await stall.publish(request, wallet)
    return request


def deals(stall):
    return list(stall.world.chain.state.deals.values())


async def test_a_request_is_matched_with_the_cheapest_that_fits_and_costs_its_requester_no_coin(
    stall,
):
    await stall.sell_pool(1, trust=Trust(0), category=1)
    await stall.sell_pool(3 * RLC)
    await stall.sell_pool(2 * RLC, by=RIVAL)
    await ask(stall)
    state, requester = stall.world.chain.state, stall.world.wallet.address
    coin, stake = state.coin_of(requester), state.stake_of(requester)
    assert await matcher(stall).round() == 1
    (deal,) = deals(stall)
    assert (deal.workerpool.address, deal.price) == (stall.rival, 2 * RLC)
    assert stall.world.chain.state.coin_of(requester) == coin
    assert stall.world.chain.state.stake_of(requester) == stake - 2 * RLC


async def test_what_is_matched_is_not_matched_again_though_the_book_still_shows_it(stall):
    await stall.sell_pool(RLC)
    await ask(stall)
    running = matcher(stall)
    assert await running.round() == 1
    assert await running.round() == 0
    assert await matcher(stall).round() == 0  # restarted
    assert len(deals(stall)) == 1


async def test_cheaper_orders_without_an_enclave_do_not_hide_the_one_that_fits(stall):
    await stall.sell_pool(RLC, tag=ENCLAVE)
    for _ in range(ORDERS_PER_REQUEST):
        await stall.sell_app(stall.app_address)
    await stall.sell_app(stall.app_address, RLC, tag=ENCLAVE)
    await ask(stall, tag=ENCLAVE, app_max_price=NanoRlc(RLC))
    assert await matcher(stall).round() == 1
    (deal,) = deals(stall)
    assert (deal.app.price, deal.tag) == (RLC, ENCLAVE)


async def test_plain_orders_of_an_app_do_not_hide_the_one_that_an_enclaves_dataset_needs(stall):
    data = await stall.dataset()
    for _ in range(ORDERS_PER_REQUEST):
        await stall.sell_app(stall.app_address)
    await stall.sell_app(stall.app_address, RLC, tag=ENCLAVE)
    await stall.sell_dataset(data, tag=ENCLAVE)
    await stall.sell_pool(RLC, tag=ENCLAVE)
    await ask(stall, dataset=data, app_max_price=NanoRlc(RLC))
    assert await matcher(stall).round() == 1
    (deal,) = deals(stall)
    assert (deal.app.price, deal.tag) == (RLC, ENCLAVE)


async def test_plain_pools_do_not_hide_the_one_that_an_app_with_a_tag_needs(stall):
    gpu = Tag.of(["gpu"])
    seller, image = stall.world.requester(SELLER), "127.0.0.1:5000/poolhand/words:1.0"
    app = (await seller.deploy_app(image, "only on gpu")).address
    await stall.sell_app(app, tag=gpu)
    for _ in range(ORDERS_PER_REQUEST):
        await stall.sell_pool(RLC)
    await stall.sell_pool(2 * RLC, tag=gpu)
    await ask(stall, app=app)
    assert await matcher(stall).round() == 1
    (deal,) = deals(stall)
    assert (deal.workerpool.price, deal.tag) == (2 * RLC, gpu)


async def test_a_request_for_an_enclave_is_matched_with_no_order_of_the_plain_app(stall):
    await stall.sell_pool(RLC, tag=ENCLAVE)
    await stall.sell_app(stall.app_address, tag=ENCLAVE, volume=1)
    await ask(stall, tag=ENCLAVE, volume=2)  # what has an enclave has too few tasks
    assert await matcher(stall).round() == 0
    assert deals(stall) == []


async def rounds(running, clock):
    """Look twice: at orders for everybody or for one, and at those for groups."""
    done = 0
    for _ in range(2):
        done += await running.round()
        clock.advance(LONGEST_PAUSE_OF_REQUEST)
    return done


async def test_a_pool_that_sells_to_a_group_serves_the_requests_of_its_members(stall):
    await stall.sell_pool(RLC, requester_restrict=RIVAL.address)
    await stall.sell_pool(3 * RLC, by=RIVAL, requester_restrict=CLUB, app_restrict=CLUB)
    await ask(stall, volume=2)
    clock = ManualClock()
    running = matcher(stall, clock)
    stall.world.chain.form_group(CLUB, [stall.world.wallet.address])
    for _ in range(4):
        assert await running.round() == 0, "the app does not belong to it"
        clock.advance(LONGEST_PAUSE_OF_REQUEST)
    stall.world.chain.form_group(CLUB, [stall.world.wallet.address, stall.app_address])
    assert await rounds(running, clock) == 1
    (deal,) = deals(stall)
    assert (deal.workerpool.address, deal.price, deal.bot_size) == (stall.rival, 3 * RLC, 2)


async def test_a_request_for_a_group_of_pools_is_matched_with_one_of_them_alone(stall):
    stall.world.chain.form_group(CLUB, [stall.rival])
    await stall.sell_pool(RLC)
    await stall.sell_pool(3 * RLC, by=RIVAL)
    await ask(stall, workerpool=CLUB)
    clock = ManualClock()
    running = matcher(stall, clock)
    assert await rounds(running, clock) == 0, "it is left to the pool that it may name"
    stall.world.chain.mine(WAITING_STEP.seconds, WAITING_STEP.blocks)
    assert await rounds(running, clock) == 1
    (deal,) = deals(stall)
    assert (deal.workerpool.address, deal.price) == (stall.rival, 3 * RLC)


async def test_an_open_order_is_taken_before_groups_are_asked(stall):
    await stall.sell_pool(2 * RLC)
    await stall.sell_pool(RLC, by=RIVAL, requester_restrict=CLUB)
    await ask(stall)
    assert await matcher(stall).round() == 1
    (deal,) = deals(stall)
    assert deal.price == 2 * RLC


@pytest.mark.parametrize("when", ["before_send", "after_send"])
async def test_a_crash_at_the_broadcast_matches_once(stall, when):
    await stall.sell_pool(RLC)
    await ask(stall)

    def hit(_sender, _purpose, call):
        if isinstance(call, MatchOrders):
            raise Crash

    setattr(stall.world.chain, when, hit)
    with pytest.raises(Crash):
        await matcher(stall).round()
    setattr(stall.world.chain, when, None)
    for _ in range(3):
        await matcher(stall).round()
    assert len(deals(stall)) == 1


async def test_a_request_that_nothing_fits_is_looked_at_less_and_less_often(stall):
    await stall.sell_pool(6 * RLC)
    await ask(stall, price=5 * RLC)
    clock, asked = ManualClock(), []

    async def count(request):
        asked.append(request.url.path)

    stall.world.http.event_hooks["request"] = [count]
    running = matcher(stall, clock)
    for _ in range(100):
        assert await running.round() == 0
        clock.advance(1)
    assert asked.count("/requestorders") == 100
    assert asked.count("/workerpoolorders") <= 7
    await stall.sell_pool(5 * RLC, by=RIVAL)
    clock.advance(LONGEST_PAUSE_OF_REQUEST)
    assert await running.round() == 1


async def test_one_requester_does_not_spend_all_of_the_gas(stall):
    await stall.sell_pool(RLC)
    stall.world.chain.fund(RIVAL.address, stake=100 * RLC)
    for _ in range(5):
        await ask(stall)
    await ask(stall, by=RIVAL)
    clock = ManualClock()
    running = matcher(stall, clock, most=2)
    assert await running.round() == 3
    clock.advance(59)
    assert await running.round() == 0
    clock.advance(10)
    assert await running.round() == 2


async def test_an_order_with_one_task_left_is_given_to_one_request(stall):
    await stall.sell_pool(RLC, volume=1)
    await stall.sell_pool(2 * RLC, by=RIVAL, volume=1)
    for _ in range(3):
        await ask(stall)
    assert await matcher(stall).round() == 2
    assert sorted(deal.price for deal in deals(stall)) == [RLC, 2 * RLC]


async def test_a_request_that_the_chain_refuses_costs_nothing_and_stops_no_other(stall):
    """Its requester has spent the stake since: the simulation tells, nothing is sent."""
    await stall.sell_pool(RLC)
    stall.world.chain.fund(SELLER.address, stake=RLC)
    await ask(stall, price=RLC, by=SELLER)
    stall.world.chain.state.stake[SELLER.address] = NanoRlc(0)
    await ask(stall)
    assert await matcher(stall).round() == 1
    assert [deal.requester for deal in deals(stall)] == [stall.world.wallet.address]


async def test_a_chain_that_is_away_is_told_and_the_match_is_made_when_it_is_back(stall):
    await stall.sell_pool(RLC)
    await ask(stall)

    def gone(_sender, _purpose, _call):
        raise ChainUnreachable("nobody answers")

    stall.world.chain.before_send = gone
    running = matcher(stall)
    with pytest.raises(ChainUnreachable):
        await running.round()
    stall.world.chain.before_send = None
    assert await running.round() == 1
    assert len(deals(stall)) == 1


async def test_it_goes_on_after_an_outage_and_ends_without_its_journal(stall):
    await stall.sell_pool(RLC)
    await ask(stall)
    faults = [ChainUnreachable("nobody answers"), JournalFull("the disk is full")]

    def fail(_sender, _purpose, _call):
        raise faults.pop(0)

    class Quick(ManualClock):
        async def sleep(self, seconds):
            self.advance(seconds)

    stall.world.chain.before_send = fail
    with pytest.raises(JournalFull):
        await matcher(stall, Quick()).run()
    assert faults == []
    assert deals(stall) == []


# -------------------------------------------------------------------------------------- pure rules

WHO = [Address(bytes([n] * 20)) for n in (1, 2)]


@given(st.lists(st.tuples(st.sampled_from(WHO), st.integers(0, 5))), st.integers(1, 4))
def test_nobody_is_given_more_than_the_quota_in_any_window(steps, most):
    quota, now, given = MatchQuota(most, Seconds(10)), 0, []
    for who, later in steps:
        now += later
        recent = [at for each, at in given if each == who and at > now - 10]
        assert quota.admits(who, UnixSeconds(now)) == (len(recent) < most)
        if len(recent) < most:
            quota.count(who, UnixSeconds(now))
            given.append((who, now))


def test_what_is_open_no_more_is_forgotten():
    backoff, name = Backoff(), OrderHash(bytes(32))
    backoff.put_off(name, UnixSeconds(0))
    assert not backoff.is_due(name, UnixSeconds(1))
    backoff.keep_only(set())
    assert backoff.is_due(name, UnixSeconds(1))
