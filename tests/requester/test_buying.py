"""From a wish to a deal, and every reason why not.

One file, for each reason refuses the same purchase at another step.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from poolhand.domain.errors import Malformed, StakeTooLow
from poolhand.domain.ids import ZERO_ADDRESS, Address, FixedBytes
from poolhand.domain.network_hosts import read_hosts
from poolhand.domain.onchain import Deposit, TransferRlc
from poolhand.domain.orders.model import AppOrder, MatchOrders, Salt, Signed
from poolhand.domain.orders.reasons import Reason
from poolhand.domain.params import DealParams, UnfitParams
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.keys.wallet import Wallet
from poolhand.requester.checking import OrdersUnfit, PriceTooHigh, VolumeTooSmall
from poolhand.requester.sellers import ForeignPool, NoOrder, NoSuchAsset
from poolhand.requester.wish import BadWish, Wish
from poolhand.transport.clock import ManualClock
from poolhand.transport.pool_client import PoolDown, PoolRefused
from requester_market import IMAGE, RLC

STRANGER = Wallet.from_key(bytes([9] * 32))


class Crash(BaseException):
    """The program dies."""


def die(*_):
    raise Crash


async def test_a_wish_becomes_the_deal_that_it_describes(market):
    wish = await market.wish(
        args="--top 5",
        inputs=("https://example.com/a", "https://example.com/b"),
        trust=Trust(10),
        tasks=3,
        category=1,
    )
    bought = await market.requester().buy(wish)
    deal = bought.deal
    assert (deal.app.address, deal.workerpool.address) == (wish.app, market.pool.workerpool)
    assert (deal.trust, deal.bot_size, deal.category) == (10, 3, 1)
    assert deal.requester == deal.beneficiary == market.wallet.address
    assert DealParams.parse(deal.params) == DealParams(
        args="--top 5", input_files=("https://example.com/a", "https://example.com/b")
    )
    assert deal.price == 2 * RLC
    assert not bought.resumed


async def test_a_pool_is_asked_whether_its_workers_allow_the_hosts_before_anything_is_paid(market):
    hosts = read_hosts(["a.example"], 1)
    wish = await market.wish(hosts=hosts)
    bought = await market.requester().buy(wish)
    assert DealParams.parse(bought.deal.params).hosts == hosts
    assert DealParams.parse(market.pool.told_params[-1]) == DealParams(hosts=hosts)
    market.pool.refuses = (409, "no-worker-for-it", "no worker of this pool lets apps through")
    with pytest.raises(PoolRefused, match="lets apps through"):
        await market.requester().buy(replace(wish, tasks=2))


async def test_a_dataset_of_ours_is_bought_with_the_app(market):
    requester = market.requester()
    data = await requester.deploy_dataset("https://example.com/d", checksum=FixedBytes(bytes(32)))
    bought = await requester.buy(await market.wish(dataset=data.address))
    assert bought.deal.dataset.address == data.address


async def test_the_same_wish_twice_buys_twice(market):
    wish = await market.wish()
    first = await market.requester().buy(wish)
    second = await market.requester().buy(wish)
    assert first.deal.deal_id != second.deal.deal_id
    assert market.deals == 2


# -------------------------------------------------------------------------------- crashes


@pytest.mark.parametrize("when", ["before_send", "after_send"])
async def test_a_crash_around_the_broadcast_buys_once(market, when):
    wish = await market.wish()

    def hit(_sender, _purpose, call):
        if isinstance(call, MatchOrders):
            raise Crash

    setattr(market.chain, when, hit)
    with pytest.raises(Crash):
        await market.requester().buy(wish)
    setattr(market.chain, when, None)
    bought = await market.requester().buy(wish)
    assert bought.resumed
    assert market.deals == 1
    assert len(market.pool.sold) == 1


async def test_a_deposit_interrupted_by_a_crash_is_made_once(market):
    wish = await market.wish(tasks=60)  # 120 RLC of 100 staked

    def hit(_sender, _purpose, call):
        if isinstance(call, Deposit):
            raise Crash

    market.chain.after_send = hit
    with pytest.raises(Crash):
        await market.requester().buy(wish, deposit=True)
    market.chain.after_send = None
    await market.requester().buy(wish, deposit=True)
    assert market.deals == 1
    assert market.chain.state.rlc_of(market.wallet.address) == 980 * RLC
    assert market.chain.state.stake_of(market.wallet.address) == 0


async def test_a_deposit_still_on_its_way_at_the_crash_is_not_made_again(market):
    wish = await market.wish(tasks=60)
    market.chain.automine, market.chain.after_send = False, die
    with pytest.raises(Crash):
        await market.requester().buy(wish, deposit=True)
    market.chain.automine, market.chain.after_send = True, None
    buying = asyncio.create_task(market.requester().buy(wish, deposit=True))
    while not buying.done():
        await asyncio.sleep(0.01)
        market.chain.mine()
    assert (await buying).resumed
    assert market.chain.state.rlc_of(market.wallet.address) == 980 * RLC


async def test_orders_gone_stale_since_a_crash_are_replaced(market):
    wish = await market.wish()
    market.chain.before_send = die
    market.pool.volume = 1
    with pytest.raises(Crash):
        await market.requester().buy(wish)
    market.chain.before_send = None
    other = replace(wish, args="faster", workerpool_order=market.pool.sold[0])
    await market.requester().buy(other)  # uses the order up
    bought = await market.requester().buy(wish)
    assert not bought.resumed
    assert market.deals == 2


async def test_a_finished_purchase_is_not_resumed(market):
    wish = await market.wish()
    await market.requester().buy(wish)
    assert not (await market.requester().buy(wish)).resumed


async def test_a_wallet_in_use_is_waited_for_and_then_refused(market):
    wish = await market.wish()
    market.clock = _Impatient()
    with WalletLock(market.settings.locks, market.wallet.address), pytest.raises(WalletInUse):
        await market.requester().buy(wish)
    assert market.clock.slept >= 20
    await market.requester().buy(wish)


class _Impatient(ManualClock):
    slept = 0.0

    async def sleep(self, seconds):
        self.slept += seconds


# -------------------------------------------------------------------------------- money


async def test_too_little_stake_says_how_much_to_deposit(market):
    with pytest.raises(StakeTooLow, match=r"lacks 20 RLC? ?.*deposit 20`|deposit 20"):
        await market.requester().buy(await market.wish(tasks=60))
    assert market.deals == 0


async def test_a_wanted_deposit_makes_up_for_it(market):
    bought = await market.requester().buy(await market.wish(tasks=60), deposit=True)
    assert bought.deal.bot_size == 60
    assert market.chain.state.rlc_of(market.wallet.address) == 980 * RLC


async def test_a_deposit_of_more_than_there_is_buys_nothing(market):
    stranger = STRANGER.address
    send = market.chain.sender(market.wallet).send
    await send("give", TransferRlc(stranger, NanoRlc(990 * RLC)))
    with pytest.raises(Exception, match="has 10 RLC"):
        await market.requester().buy(await market.wish(tasks=60), deposit=True)
    assert market.deals == 0
    assert market.chain.state.stake_of(market.wallet.address) == 100 * RLC


async def test_enough_stake_deposits_nothing(market):
    await market.requester().buy(await market.wish(), deposit=True)
    assert market.chain.state.rlc_of(market.wallet.address) == 1000 * RLC


async def test_a_price_over_the_limit_is_not_paid(market):
    wish = await market.wish(max_price=NanoRlc(2 * RLC - 1))
    with pytest.raises(PriceTooHigh, match=r"costs 2 RLC, over the limit of 1\.999999999"):
        await market.requester().buy(wish)
    await market.requester().buy(replace(wish, max_price=NanoRlc(2 * RLC)))


async def test_an_image_is_not_registered_where_its_task_would_cost_too_much(market):
    wish = await market.wish(max_price=NanoRlc(2 * RLC - 1))
    before = dict(market.chain.state.apps)
    with pytest.raises(PriceTooHigh, match="costs 2 RLC"):
        await market.requester().deploy_app(IMAGE, "another", wish)
    assert market.chain.state.apps.keys() == before.keys()


async def test_a_pool_that_lacks_stake_is_named(market):
    market.pool.price = 1
    market.chain.fund(market.wallet.address, stake=0)
    market.pool.price = 40 * RLC
    market.chain.fund(market.wallet.address, stake=1000 * RLC)
    with pytest.raises(OrdersUnfit, match="pool owner's free stake") as caught:
        await market.requester().buy(await market.wish(tasks=10))
    assert [each.reason for each in caught.value.mismatches] == [Reason.WORKERPOOL_STAKE_TOO_LOW]


# -------------------------------------------------------------------------------- orders


async def test_a_used_up_order_is_not_sent(market):
    market.pool.volume = 1
    order = market.pool.sell(0, 1, str(NO_TAG))
    wish = await market.wish(workerpool_order=order)
    await market.requester().buy(wish)
    with pytest.raises(OrdersUnfit, match="workerpool order") as caught:
        await market.requester().buy(wish)
    assert Reason.USED_UP in [each.reason for each in caught.value.mismatches]
    assert market.deals == 1


async def test_an_order_with_too_few_tasks_is_not_sent(market):
    market.pool.volume = 2
    with pytest.raises(VolumeTooSmall, match="2 tasks left of the 3"):
        await market.requester().buy(await market.wish(tasks=3))
    assert market.deals == 0


def spoil(**changes):
    def apply(market, signed):
        order = replace(signed.order, **changes)
        return Signed(order, market.pool.owner.sign_order(market.chain.domain, order))

    return apply


def forge(market, signed):
    return Signed(signed.order, STRANGER.sign_order(market.chain.domain, signed.order))


SPOILT = {
    Reason.CATEGORY_DIFFERS: spoil(category=1),
    Reason.TRUST_TOO_HIGH: spoil(trust=Trust(4)),
    Reason.TAG_NOT_OFFERED: spoil(tag=NO_TAG),
    Reason.WORKERPOOL_RESTRICTS_APP: spoil(app_restrict=STRANGER.address),
    Reason.WORKERPOOL_RESTRICTS_DATASET: spoil(dataset_restrict=STRANGER.address),
    Reason.WORKERPOOL_RESTRICTS_REQUESTER: spoil(requester_restrict=STRANGER.address),
    Reason.WORKERPOOL_UNREGISTERED: spoil(workerpool=STRANGER.address),
    Reason.WORKERPOOL_SIGNATURE: forge,
    Reason.UNSIGNED: lambda _market, signed: Signed(signed.order, b""),
    Reason.USED_UP: spoil(volume=0),
}


@pytest.mark.parametrize("reason", SPOILT)
async def test_every_mismatch_is_told_before_anything_is_sent(market, reason):
    tag = Tag.of(["gpu"])
    good = market.pool.sell(0, 5, str(tag))
    wish = await market.wish(trust=Trust(5), tag=tag)
    sent = len(market.chain.mined())
    with pytest.raises(OrdersUnfit) as caught:
        await market.requester().buy(
            replace(wish, workerpool_order=SPOILT[reason](market, good)), deposit=True
        )
    assert [each.reason for each in caught.value.mismatches] == [reason]
    assert _MISMATCH_WORDS[reason] in str(caught.value)
    assert len(market.chain.mined()) == sent
    await market.requester().buy(replace(wish, workerpool_order=good))


_MISMATCH_WORDS = {
    Reason.CATEGORY_DIFFERS: "different categories (0 and 1)",
    Reason.TRUST_TOO_HIGH: "less trust than requested (4 under 5)",
    Reason.TAG_NOT_OFFERED: "lacks a demanded tag (gpu)",
    Reason.WORKERPOOL_RESTRICTS_APP: "restricted to another app",
    Reason.WORKERPOOL_RESTRICTS_DATASET: "restricted to another dataset",
    Reason.WORKERPOOL_RESTRICTS_REQUESTER: "restricted to another requester",
    Reason.WORKERPOOL_UNREGISTERED: "workerpool is not registered",
    Reason.WORKERPOOL_SIGNATURE: "not signed by the pool's owner",
    Reason.UNSIGNED: "no signature",
    Reason.USED_UP: "used up or cancelled (workerpool order)",
}


async def test_an_app_of_somebody_else_needs_an_order_of_theirs(market):
    wish = await market.wish()
    market.chain.fund(STRANGER.address, stake=100 * RLC)
    with pytest.raises(NoOrder, match="--app-order"):
        await market.requester(STRANGER).buy(wish)
    z = ZERO_ADDRESS
    order = AppOrder(wish.app, NanoRlc(RLC), 1, NO_TAG, z, z, z, Salt(bytes(32)))
    signed = Signed(order, market.wallet.sign_order(market.chain.domain, order))
    bought = await market.requester(STRANGER).buy(replace(wish, app_order=signed))
    assert bought.deal.price == 3 * RLC


async def test_an_unknown_app_or_dataset_is_named(market):
    nowhere = Address(bytes([7] * 20))
    with pytest.raises(NoSuchAsset, match=f"no app is registered at {nowhere}"):
        await market.requester().buy(Wish(nowhere))
    with pytest.raises(NoSuchAsset, match=f"no dataset is registered at {nowhere}"):
        await market.requester().buy(await market.wish(dataset=nowhere))


@pytest.mark.parametrize("terms", [{"tasks": 0}, {"tag": Tag.of(["tee"])}, {"category": -1}])
def test_a_senseless_wish_is_refused(terms):
    with pytest.raises(BadWish):
        Wish(ZERO_ADDRESS, **terms)


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    "terms", [{"args": "\ud800"}, {"args": "a\0b"}, {"inputs": ("https://a\ud800b.example/x",)}]
)
def test_texts_that_no_worker_could_use_are_refused_before_anything_is_paid(terms):
    with pytest.raises(UnfitParams):
        Wish(ZERO_ADDRESS, **terms)


# -------------------------------------------------------------------------------- the pool


async def test_what_the_pool_does_not_sell_is_told_in_its_words(market):
    market.pool.refuses = (400, "not-sold", "category 4 is not sold here; choose one of 0, 1")
    with pytest.raises(PoolRefused, match="category 4 is not sold here") as caught:
        await market.requester().buy(await market.wish(category=4))
    assert caught.value.pool_code == "not-sold"


@pytest.mark.case("A3")
async def test_the_pool_is_told_who_buys_for_which_app_and_what_it_cannot_do_costs_nothing(market):
    wish, requester = await market.wish(tasks=3, trust=10), market.requester()
    market.pool.refuses = (409, "trust-out-of-reach", "trust 10 is out of reach: ask for trust 4")
    with pytest.raises(PoolRefused, match="ask for trust 4") as caught:
        await requester.buy(wish)
    assert (caught.value.pool_code, caught.value.exit_code) == ("trust-out-of-reach", 2)
    assert market.pool.asked == [(str(market.wallet.address), str(wish.app), 3)]
    assert market.deals == 0


async def test_a_pool_in_trouble_may_be_asked_again_and_says_what_is_wrong(market):
    market.pool.refuses = (503, "pool-stake-too-low", "its owner has to deposit 3 RLC")
    with pytest.raises(PoolDown, match="cannot do it now: its owner has to deposit 3 RLC"):
        await market.requester().buy(await market.wish())


async def test_a_pool_that_is_away_is_named_with_its_url(market):
    market.settings = replace(market.settings, pool_url="http://nowhere.test")
    with pytest.raises(PoolDown, match=r"nowhere\.test"):
        await market.requester().buy(await market.wish())


@pytest.mark.parametrize("garbage", [b"{}", b"[]", b"not json", b'{"workerpool": 1}', b"null"])
async def test_a_pool_that_talks_rubbish_is_to_blame(market, garbage):
    market.pool.garbage = garbage
    with pytest.raises(Malformed, match=r"pool\.test"):
        await market.requester().buy(await market.wish())


async def test_a_pool_of_another_hub_is_refused(market):
    market.pool.hub = STRANGER.address
    with pytest.raises(ForeignPool, match="--pool-url"):
        await market.requester().buy(await market.wish())


async def test_no_pool_at_all_is_said(market):
    market.settings = replace(market.settings, pool_url=None)
    with pytest.raises(NoOrder, match="--pool-url"):
        await market.requester().buy(await market.wish())


async def test_an_order_can_be_checked_by_itself(market):
    market.pool.volume = 1
    order = market.pool.sell(0, 1, str(NO_TAG))
    requester = market.requester()
    state = await requester.order_state(order)
    assert state.usable
    assert (state.owner, state.left) == (market.pool.owner.address, 1)
    assert not (await requester.order_state(forge(market, order))).signed_by_owner
    await requester.buy(await market.wish(workerpool_order=order))
    assert not (await requester.order_state(order)).usable
