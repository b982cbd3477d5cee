"""The book follows the chain: transitions, and forks undone."""

from __future__ import annotations

import pytest
from market_world import (
    APP,
    BUYER,
    DATASET,
    POOL,
    POOL_OWNER,
    SELLER,
    STRANGER,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    pool_order,
    ready_chain,
    request_order,
    sold,
)

from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc


@pytest.mark.parametrize("dataset", [False, True])
async def test_a_match_shrinks_and_then_fills_orders(market, dataset):
    orders, request, _ = await sold(market, dataset=dataset)
    await market.mine()
    for order in (*orders, request):
        assert await market.status(order) == ("open", 6)
    market.match(orders[0], orders[1], request, 6, orders[2] if dataset else None)
    await market.mine()
    for order in (*orders, request):
        assert await market.status(order) == ("filled", 0)
        assert (await market.send(order)).json()["error"] == "order already published"


async def test_a_deal_is_listed_as_it_was_matched(market):
    orders, request, deal = await sold(market, dataset=True)
    await market.mine()
    (listed,) = (await market.get("/deals", requester=str(BUYER.address).lower())).json()["deals"]
    head = market.follower.at
    assert listed["dealid"] == str(deal.deal_id)
    assert (listed["volume"], listed["botSize"], listed["botFirst"]) == (4, 4, 0)
    assert listed["app"] == {"pointer": str(APP), "price": 0, "owner": str(SELLER.address)}
    names = [listed[name] for name in ("appHash", "workerpoolHash", "datasetHash", "requestHash")]
    assert names == [str(hash_of(order)) for order in (*orders, request)]
    assert listed["blockNumber"] == head.number
    assert listed["chainId"] == 31337
    one = (await market.get(f"/deals/{deal.deal_id}")).json()
    assert one == {"ok": True, **listed}
    named = {
        **dict(
            zip(("apporderHash", "workerpoolorderHash", "datasetorderHash"), orders, strict=True)
        ),
        "requestorderHash": request,
    }
    filters = {
        **{name: (str(hash_of(order)), "0x" + "77" * 32) for name, order in named.items()},
        **{
            name: (str(BUYER.address), str(STRANGER.address))
            for name in ("requester", "beneficiary")
        },
        "app": (str(APP), str(POOL)),
        "dataset": (str(DATASET), str(APP)),
        "workerpool": (str(POOL), str(APP)),
        "appOwner": (str(SELLER.address), str(BUYER.address)),
        "datasetOwner": (str(SELLER.address), str(BUYER.address)),
        "workerpoolOwner": (str(POOL_OWNER.address), str(BUYER.address)),
        "category": ("0", "1"),
    }
    assert len(filters) == 13
    fitting = {name: fits for name, (fits, _) in filters.items()}
    assert (await market.get("/deals", **fitting)).json()["count"] == 1
    for name, (fits, other) in filters.items():
        assert (await market.get("/deals", **{name: fits})).json()["count"] == 1, name
        assert (await market.get("/deals", **{**fitting, name: other})).json()["count"] == 0, name
    assert (await market.get("/deals", app=str(POOL))).json() == {
        "ok": True,
        "deals": [],
        "count": 0,
    }
    prices = (await market.get("/ohlc", category="0")).json()["ohlc"]
    assert prices == [[listed["blockTimestamp"], 0, 4]]


async def test_a_cancelled_order_is_told_so_for_good(market):
    order, request = app_order(), request_order()
    await market.published(order)
    await market.published(request)
    market.chain.close(OrderSort.APP, hash_of(order), order.volume)
    await market.mine()
    assert await market.status(order) == ("canceled", 0)
    assert await market.status(request) == ("dead", 1)
    assert (await market.send(order)).json()["error"] == "order already published"


async def test_orders_die_when_the_stake_falls_and_free_ones_never(market):
    market.chain.deposit(POOL_OWNER.address, 10)
    market.chain.deposit(BUYER.address, 10)
    await market.mine()
    paid, free = pool_order(price=NanoRlc(4), volume=10), pool_order()
    wanted = request_order(volume=5, workerpool_max_price=NanoRlc(2))
    for order in (paid, free, app_order(), wanted):
        await market.published(order)
    market.chain.withdraw(POOL_OWNER.address, 1)
    market.chain.withdraw(BUYER.address, 1)
    await market.mine()
    assert await market.status(paid) == ("dead", 10)
    assert await market.status(free) == ("open", 10)
    assert await market.status(wanted) == ("dead", 5)
    market.chain.deposit(POOL_OWNER.address, 1)
    await market.mine()
    assert await market.status(paid) == ("dead", 10)
    assert (await market.published(paid))["remaining"] == 10


async def test_a_match_that_locks_the_stake_kills_nothing_that_it_pays_for(market):
    market.chain.deposit(BUYER.address, 20)
    await market.mine()
    sold_app, pool = app_order(), pool_order()
    wanted = request_order(volume=10, workerpool_max_price=NanoRlc(2))
    for order in (sold_app, pool, wanted):
        await market.published(order)
    market.chain.withdraw(BUYER.address, 8)  # four tasks at 2 nRLC, locked
    market.match(sold_app, pool, wanted, 4)
    await market.mine()
    assert await market.status(wanted) == ("open", 6)


async def test_orders_die_when_what_they_sell_changes_hands(market):
    app, dataset, pool = app_order(), dataset_order(), pool_order()
    request = request_order(dataset=DATASET)
    for order in (app, dataset, pool, request):
        await market.published(order)
    market.chain.give(DATASET, STRANGER.address)
    await market.mine()
    assert await market.status(dataset) == ("dead", 1000)
    assert await market.status(request) == ("dead", 1)
    assert await market.status(app) == ("open", 1000)
    for asset in (APP, POOL):
        market.chain.give(asset, STRANGER.address)
        market.chain.give(asset, SELLER.address if asset == APP else POOL_OWNER.address)
    await market.mine()
    assert await market.status(app) == ("open", 1000)  # back within one block
    assert await market.status(pool) == ("open", 10)


# --------------------------------------------------------------------------------------- forks


async def test_a_fork_brings_orders_back_and_takes_deals_away(market):
    market.chain.deposit(POOL_OWNER.address, 10)
    await market.mine()
    paid = pool_order(price=NanoRlc(4), volume=10)
    await market.published(paid)
    orders, request, deal = await sold(market)
    market.chain.close(OrderSort.APP, hash_of(orders[0]), 10)
    market.chain.withdraw(POOL_OWNER.address, 10)
    market.chain.create_category(7, "new", 5)
    await market.mine()
    assert [(await market.status(each))[0] for each in (paid, *orders, request)] == [
        "dead", "canceled", "open", "dead",
    ]  # fmt: skip
    market.chain.reorganise(1)
    await market.mine()
    for order in (paid, *orders, request):
        assert await market.status(order) == ("open", 10)
    assert (await market.get(f"/deals/{deal.deal_id}")).json()["error"] == "deal not found"
    assert (await market.get("/categories/7")).json()["error"] == "category not found"
    market.match(orders[0], orders[1], request, 3)
    await market.mine()
    assert await market.status(request) == ("open", 7)
    assert (await market.get("/deals")).json()["count"] == 1


async def test_a_fork_does_not_bring_back_what_a_person_took_out(market):
    app, request = app_order(), request_order()
    await market.published(app)
    await market.published(request)
    market.chain.close(OrderSort.REQUEST, hash_of(request), 1)
    await market.mine()
    await market.unpublish(OrderSort.APP, SELLER, orderHash=str(hash_of(app)))
    market.chain.reorganise(1)
    await market.mine()
    assert await market.status(app) is None
    assert await market.status(request) == ("dead", 1)


async def test_what_was_published_on_a_block_that_is_gone_is_judged_anew(market):
    kept, lost = pool_order(), pool_order(price=NanoRlc(4), volume=10)
    market.chain.deposit(POOL_OWNER.address, 10)
    await market.mine()
    await market.published(kept)
    await market.published(lost)
    market.chain.reorganise(1)  # the deposit with it
    await market.mine()
    assert await market.status(kept) == ("open", 10)
    assert await market.status(lost) == ("dead", 10)


async def test_what_was_published_on_such_a_block_stays_when_its_ground_is_mined_again(market):
    market.chain.deposit(POOL_OWNER.address, 10)
    await market.mine()
    order = pool_order(price=NanoRlc(4), volume=10)
    await market.published(order)
    market.chain.reorganise(1)
    market.chain.deposit(POOL_OWNER.address, 10)
    await market.mine()
    assert await market.status(order) == ("open", 10)


async def test_an_endpoint_that_lags_is_no_fork(market):
    orders, request, _ = await sold(market)
    await market.mine()
    blocks = market.chain._blocks
    hidden = blocks.pop()
    await market.follower.advance()
    assert await market.status(request) == ("open", 6)
    blocks.append(hidden)
    await market.follower.advance()
    assert await market.status(request) == ("open", 6)
    assert orders


async def test_where_no_fork_was_the_chain_is_asked_for_few_blocks(database_url):
    class Counting(FakeMarketChain):
        asked = 0

        async def blocks(self, numbers):
            self.asked += len(numbers)
            return await super().blocks(numbers)

    chain, counts = ready_chain(Counting()), []
    async with a_market(database_url, chain) as market:
        for known in (10, 90):
            for _ in range(known):
                await market.mine()
            chain.asked = 0
            chain.mine()
            await market.mine()
            counts.append(chain.asked)
    assert counts == [2, 2]  # the one that the book is of, and the one between


@pytest.mark.parametrize("depth", [2, 20])
async def test_deeper_forks_are_undone_too(market, depth):
    orders, request, _ = await sold(market)
    for _ in range(depth - 1):
        await market.mine()
    market.chain.close(OrderSort.APP, hash_of(orders[0]), 10)
    await market.mine()
    market.chain.reorganise(depth)
    for _ in range(depth + 1):
        market.chain.mine()
    await market.follower.advance()
    assert await market.status(orders[0]) == ("open", 10)
    assert await market.status(request) == ("open", 10)
