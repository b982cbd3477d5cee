"""Buying without knowing anybody: the cheapest that fits, told before it is signed, or why not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from market_stall import RIVAL, SELLER, STALL_URL, open_stall
from poolhand.chain.errors import OrdersRefused
from poolhand.domain.ids import ZERO_ADDRESS, Address, FixedBytes
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.requester.checking import PriceTooHigh
from poolhand.requester.market_shelf import ORDERS_ON_WIDE_SHELF
from poolhand.requester.sellers import ForeignPool, NoOrder, NothingFits
from poolhand.requester.wish import Wish
from poolhand.transport.market_faults import MarketDown
from poolhand.transport.pool_client import PoolRefused
from requester_market import IMAGE, POOL_URL, RLC

OTHER = Address(b"\x77" * 20)


class Crash(BaseException):
    """The program dies."""


@pytest.fixture
async def stall(market, tmp_path):
    async with open_stall(market, tmp_path) as made:
        yield made


async def test_the_cheapest_orders_that_fit_are_bought(market, stall):
    app = await stall.app()
    data = await market.requester(SELLER).deploy_dataset(
        "https://example.com/d", checksum=FixedBytes(bytes(32))
    )
    await stall.sell_app(app, RLC, requester_restrict=OTHER)
    await stall.sell_app(app, 3 * RLC)
    await stall.sell_app(app, 2 * RLC, workerpool_restrict=OTHER)
    await stall.sell_app(app, 2 * RLC)
    await stall.sell_dataset(data.address, RLC)
    await stall.sell_pool(1, category=1)
    await stall.sell_pool(2, trust=Trust(0))
    await stall.sell_pool(3, volume=1)
    await stall.sell_pool(4, app_restrict=OTHER)
    await stall.sell_pool(6 * RLC)
    await stall.sell_pool(5 * RLC, by=RIVAL)
    bought = await market.requester().buy(Wish(app, dataset=data.address, tasks=2, trust=Trust(1)))
    deal = bought.deal
    prices = (deal.app.price, deal.dataset.price, deal.workerpool.price)
    assert prices == (2 * RLC, RLC, 5 * RLC)
    assert (deal.workerpool.address, deal.bot_size) == (stall.rival, 2)


async def test_cheaper_orders_without_an_enclave_do_not_hide_the_one_that_fits(market, stall):
    app, enclave = await stall.app(), Tag.of(["tee", "scone"])
    for _ in range(ORDERS_ON_WIDE_SHELF):  # where none of a few fits, so many are looked at
        await stall.sell_app(app)
    await stall.sell_app(app, 2 * RLC, tag=enclave)
    await stall.sell_pool(RLC, tag=enclave)
    wish = Wish(app, tag=enclave, accepts_simulated_tee=True)
    deal = (await market.requester().buy(wish)).deal
    assert (deal.app.price, deal.tag) == (2 * RLC, enclave)


async def test_plain_orders_of_an_app_do_not_hide_the_one_that_an_enclaves_dataset_needs(
    market, stall
):
    app, enclave = await stall.app(), Tag.of(["tee", "scone"])
    data = await stall.dataset()
    for _ in range(ORDERS_ON_WIDE_SHELF):
        await stall.sell_app(app)
    await stall.sell_app(app, 2 * RLC, tag=enclave)
    await stall.sell_dataset(data, tag=enclave)
    await stall.sell_pool(RLC, tag=enclave)
    wish = Wish(app, dataset=data, accepts_simulated_tee=True)
    deal = (await market.requester().buy(wish)).deal
    assert (deal.app.price, deal.tag) == (2 * RLC, enclave)


async def test_plain_pools_do_not_hide_the_one_that_an_app_with_a_tag_needs(market, stall):
    app, gpu = await stall.app(), Tag.of(["gpu"])
    for _ in range(ORDERS_ON_WIDE_SHELF):
        await stall.sell_pool(RLC)
    await stall.sell_pool(9 * RLC, tag=gpu)
    await stall.sell_app(app, tag=gpu)
    deal = (await market.requester().buy(Wish(app))).deal
    assert (deal.workerpool.price, deal.tag) == (9 * RLC, gpu)


async def test_an_app_of_ones_own_needs_no_order_in_the_market(market, stall):
    await stall.sell_pool(RLC)
    assert (await market.requester().buy(await market.wish())).deal.price == RLC


async def test_what_it_would_cost_is_told_before_anything_is_signed(market, stall):
    app = await stall.app()
    await stall.sell_app(app, RLC)
    await stall.sell_pool(2 * RLC)
    requester, told = market.requester(), []

    def listen(offer, wish):
        told.append((offer.price, wish.app))
        raise Crash

    requester.offered.connect(listen)
    signed = []
    requester.wallet.signer = type(
        "Signs", (), {"address": market.wallet.address, "sign_order": signed.append}
    )()
    with pytest.raises(Crash):
        await requester.buy(Wish(app))
    assert told == [(3 * RLC, app)]
    assert signed == []
    assert market.deals == 0


async def test_an_image_is_not_registered_where_nothing_would_fit(market, stall):
    await stall.sell_pool(RLC, category=1)
    with pytest.raises(NothingFits):
        await market.requester().deploy_app("127.0.0.1:5000/poolhand/words:1.0", wish=Wish(OTHER))
    assert market.chain.state.apps == {}


@pytest.mark.parametrize(
    ("order", "terms", "rule"),
    [
        ({"category": 1}, {}, "different categories (0 and 1)"),
        ({}, {"trust": Trust(5)}, "less trust than requested (1 under 5)"),
        ({}, {"tag": Tag.of(["gpu"])}, "lacks a demanded tag (gpu)"),
        ({"app_restrict": OTHER}, {}, "restricted to another app"),
        ({"dataset_restrict": OTHER}, {}, "restricted to another dataset"),
        ({"requester_restrict": OTHER}, {}, "restricted to another requester"),
        ({"volume": 3}, {"tasks": 4}, "has 3 tasks left of the 4 wanted"),
        ({}, {"max_price": NanoRlc(1)}, "over the limit of 0.000000001"),
    ],
)
async def test_where_nothing_fits_each_order_is_told_with_the_rule_it_breaks(
    market, stall, order, terms, rule
):
    await stall.sell_pool(RLC, **order)
    await stall.sell_pool(2 * RLC, by=RIVAL, **order)
    with pytest.raises(NothingFits) as told:
        await market.requester().buy(await market.wish(**terms))
    pools = [each for each in told.value.rejections if each.candidate.kind == "pool"]
    assert [each.candidate.resource for each in pools] == [market.pool.workerpool, stall.rival]
    assert all(rule in " ".join(each.why) for each in pools)
    assert str(told.value).count(rule) >= 2
    assert market.deals == 0


async def test_what_is_not_for_sale_at_all_is_named(market, stall):
    app = await stall.app()
    with pytest.raises(NothingFits, match=f"no order for app {app}, none for any workerpool"):
        await market.requester().buy(Wish(app))


async def test_the_pool_that_is_wished_is_bought_from_and_no_other(market, stall):
    await stall.sell_pool(RLC, by=RIVAL)
    await stall.sell_pool(2 * RLC)
    wish = await market.wish(workerpool=market.pool.workerpool)
    assert (await market.requester().buy(wish)).deal.workerpool.address == market.pool.workerpool
    with pytest.raises(NothingFits, match=f"no order for workerpool {OTHER}"):
        await market.requester().buy(replace(wish, workerpool=OTHER))


async def test_an_order_that_is_used_up_on_chain_is_passed_over(market, stall):
    """The book may be a block behind: what the chain would refuse is not sent."""
    stale = await stall.sell_pool(RLC, volume=1)
    await stall.sell_pool(2 * RLC)
    await market.requester().buy(await market.wish(args="first", workerpool_order=stale))
    bought = await market.requester().buy(await market.wish(args="second"))
    assert bought.deal.price == 2 * RLC


@pytest.mark.parametrize(
    ("prices", "is_bought"),
    [((1, 1), True), ((1, 2), False), ((1, 1, 1), True), ((1, 1, 1, 1), False)],
)
async def test_orders_used_up_between_look_and_send_are_replaced_by_some_no_dearer(
    market, stall, prices, is_bought
):
    """It ends, however often that happens; for all orders but the last somebody is quicker."""
    for price in prices:
        await stall.sell_pool(price * RLC, volume=1)
    left = len(prices) - 1

    def quicker(_sender, _purpose, call):
        nonlocal left
        if isinstance(call, MatchOrders) and left:
            left -= 1
            name = order_hash(market.chain.facts.domain, call.workerpool.order)
            market.chain.state.consumed[name] = 1

    market.chain.before_send = quicker
    buying = market.requester().buy(await market.wish())
    if is_bought:
        assert (await buying).deal.price == RLC
    else:
        with pytest.raises(OrdersRefused, match="used up or cancelled"):
            await buying
    assert market.deals == is_bought


async def test_orders_that_the_chain_refuses_are_all_that_there_is(market, stall):
    stale = await stall.sell_pool(RLC, volume=1)
    await market.requester().buy(await market.wish(args="first", workerpool_order=stale))
    with pytest.raises(Exception, match="used up or cancelled"):
        await market.requester().buy(await market.wish(args="second"))
    assert market.deals == 1


@pytest.mark.parametrize("when", ["before_send", "after_send"])
async def test_a_crash_around_the_broadcast_buys_once_in_the_market(market, stall, when):
    await stall.sell_pool(RLC)
    wish = await market.wish()

    def hit(_sender, _purpose, call):
        if isinstance(call, MatchOrders):
            raise Crash

    setattr(market.chain, when, hit)
    with pytest.raises(Crash):
        await market.requester().buy(wish)
    setattr(market.chain, when, None)
    assert (await market.requester().buy(wish)).resumed
    assert market.deals == 1


# --------------------------------------------------------------------------- a pool that is known


async def test_a_known_pool_sells_where_the_market_has_nothing_or_is_away(market, tmp_path):
    async with open_stall(market, tmp_path, pool_known=True) as stall:
        assert (await market.requester().buy(await market.wish())).deal.price == 2 * RLC
        await stall.sell_pool(RLC)
        assert (await market.requester().buy(await market.wish())).deal.price == RLC
        market.settings = replace(market.settings, market_url="http://nowhere.test")
        assert (await market.requester().buy(await market.wish())).deal.price == 2 * RLC
        market.settings = replace(market.settings, pool_url=None)
        with pytest.raises(MarketDown, match="check --market"):
            await market.requester().buy(await market.wish())


async def test_a_named_pool_is_bought_from_whatever_the_market_has(market, stall):
    app = await stall.app()
    await stall.sell_pool(1)
    await stall.sell_app(app, RLC)
    market.settings = replace(market.settings, pool_url=POOL_URL, pool_first=True)
    assert (await market.requester().buy(Wish(app))).deal.price == 3 * RLC
    with pytest.raises(ForeignPool, match="correct --pool"):
        await market.requester().buy(Wish(app, workerpool=stall.rival))
    market.pool.refuses = (409, "sold-out", "come back later")
    with pytest.raises(PoolRefused, match="come back later"):
        await market.requester().buy(Wish(app))


@pytest.fixture
async def known(market, tmp_path):
    """A market beside a pool that is known, as on a devnet; a rival sells there for 1 RLC."""
    async with open_stall(market, tmp_path, pool_known=True) as made:
        await made.sell_pool(RLC, by=RIVAL)
        yield made


REFUSES = (400, "trust-out-of-reach", "trust 9 is out of reach: ask for 2")


async def test_a_known_pools_refusal_comes_with_what_the_market_has_and_why_not(market, known):
    market.pool.refuses = REFUSES
    with pytest.raises(PoolRefused) as caught:
        await market.requester().buy(await market.wish(trust=Trust(9)))
    first, second, *others = caught.value.told.splitlines()
    assert first == f"the workerpool at {POOL_URL} refused: {REFUSES[2]}"
    assert second.startswith(f"nothing in the market at {STALL_URL} fits")
    told = f"  pool {known.rival} at 1 RLC: the workerpool offers less trust"
    assert any(each.startswith(told) for each in others)
    with pytest.raises(PoolRefused, match="out of reach") as caught:  # nor is an image registered
        await market.requester().deploy_app(IMAGE, "other", Wish(OTHER, trust=Trust(9)))
    assert str(known.rival) in caught.value.told


async def test_a_known_pools_price_is_told_with_those_of_the_market(market, known):
    wish = await market.wish(max_price=NanoRlc(1), workerpool=market.pool.workerpool)
    with pytest.raises(PriceTooHigh, match="costs 2 RLC") as caught:
        await market.requester().buy(wish)
    assert f"no order for workerpool {market.pool.workerpool}" in caught.value.told
    with pytest.raises(PriceTooHigh) as caught:
        await market.requester().buy(replace(wish, workerpool=ZERO_ADDRESS))
    assert f"pool {known.rival} at 1 RLC: one task costs 1 RLC, over" in caught.value.told


async def test_a_named_pools_refusal_comes_with_who_sells_it_in_the_market(market, known):
    market.settings = replace(market.settings, pool_first=True)
    market.pool.refuses = REFUSES
    with pytest.raises(PoolRefused) as caught:
        await market.requester().buy(await market.wish())
    assert f"has it for 1 RLC a task, from workerpool {known.rival}" in caught.value.told
    assert "name no pool (--pool-url" in caught.value.told
    assert market.deals == 0


async def test_a_market_that_is_away_is_told_beside_the_pools_refusal(market, known):
    market.settings = replace(market.settings, market_url="http://nowhere.test")
    market.pool.refuses = REFUSES
    with pytest.raises(PoolRefused, match="out of reach") as caught:
        await market.requester().buy(await market.wish())
    assert "the market could not be asked: the market at http://nowhere.test" in caught.value.told


async def test_without_a_market_it_is_said_how_to_buy_from_strangers(market, stall):
    app = await stall.app()
    market.settings = replace(market.settings, market_url=None, pool_url=POOL_URL, pool_first=True)
    with pytest.raises(NoOrder, match=r"\(--market\)"):
        await market.requester().buy(Wish(app))


def test_a_wish_that_names_no_pool_is_called_what_it_was_always_called():
    """Purchases that a crash interrupted before the upgrade are found again."""
    wish = Wish(OTHER, args="x")
    assert "workerpool=" not in repr(wish)
    assert str(wish.fingerprint) == (
        "0x53ab6e5b61e6ba5f6a003f9c98f133985d5a190567fe67d4e6120d186e9cb8f5"
    )
    assert replace(wish, workerpool=OTHER).fingerprint != wish.fingerprint


async def test_a_purchase_asks_the_market_once_for_each_thing_that_is_not_ones_own(market, stall):
    """So it is on chain as soon as with a known pool, which is asked twice."""
    app, asked = await stall.app(), []
    await stall.sell_app(app)
    for _ in range(15):
        await stall.sell_pool(RLC)
    own = await market.wish(args="own")

    async def count(request):
        asked.append(request.url.path)

    market.http.event_hooks["request"] = [count]
    await market.requester().buy(Wish(app))
    assert sorted(asked) == ["/apporders", "/workerpoolorders"]
    asked.clear()
    await market.requester().buy(own)
    assert [path for path in asked if path.endswith("orders")] == ["/workerpoolorders"]
