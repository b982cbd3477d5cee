"""Lists: each filter's exact meaning, their order, their pages."""

from __future__ import annotations

import asyncio

import pytest
from market_world import (
    APP,
    BUYER,
    CHAIN_ID,
    DATASET,
    PATHS,
    POOL,
    POOL_OWNER,
    SELLER,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    pool_order,
    ready_chain,
    request_order,
)

from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.book import BULK_VOLUME
from poolhand.domain.market_events import OrderSort
from poolhand.domain.tag import Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc

OTHER = Address(b"\x77" * 20)
A, D, W, R = OrderSort.APP, OrderSort.DATASET, OrderSort.WORKERPOOL, OrderSort.REQUEST


def refused(answer, text):
    assert answer.status_code == 400, answer.text
    assert answer.json() == {"ok": False, "error": text}


async def names(market, sort, **asked):
    answer = await market.get(PATHS[sort], **asked)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert told["count"] == len(told["orders"])
    return [row["orderHash"] for row in told["orders"]]


def hashes(*found):
    return [str(hash_of(each)) for each in found]


async def publish(market, *found):
    for each in found:
        await market.published(each)
    return found


async def test_a_restriction_is_absent_named_strict_or_any(market):
    free, own, others = await publish(
        market, app_order(), app_order(dataset_restrict=DATASET), app_order(dataset_restrict=OTHER)
    )
    ask = {"app": str(APP)}
    assert await names(market, A, **ask) == hashes(free)
    assert await names(market, A, **ask, isDatasetStrict="true") == hashes(free)
    assert await names(market, A, **ask, dataset=str(DATASET)) == hashes(free, own)
    strict = {"dataset": str(DATASET).lower(), "isDatasetStrict": "1"}
    assert await names(market, A, **ask, **strict) == hashes(own)
    assert await names(market, A, **ask, dataset="any") == hashes(free, own, others)
    assert await names(market, A, **ask, dataset="any", isDatasetStrict="true") == hashes(
        free, own, others
    )


async def test_several_restrictions_all_hold(market):
    limits = (
        {"dataset_restrict": DATASET},
        {"workerpool_restrict": POOL},
        {"requester_restrict": OTHER},
    )
    free, *single = await publish(market, app_order(), *(app_order(**each) for each in limits))
    ask = {
        "app": str(APP),
        "dataset": str(DATASET),
        "workerpool": str(POOL),
        "requester": str(OTHER),
    }
    assert await names(market, A, **ask) == hashes(free, *single)
    strict = {f"is{name}Strict": "true" for name in ("Dataset", "Workerpool", "Requester")}
    assert await names(market, A, **ask, **strict) == []


async def test_pools_of_requests_and_what_else_is_equal(market):
    await publish(market, app_order(), dataset_order())
    free, own = request_order(), request_order(workerpool=POOL)
    other, with_data = request_order(workerpool=OTHER), request_order(dataset=DATASET)
    await publish(market, free, own, other, with_data)
    assert await names(market, R) == hashes(free, with_data)
    assert await names(market, R, workerpool=str(POOL)) == hashes(free, own, with_data)
    assert await names(market, R, workerpool=str(POOL), isWorkerpoolStrict="true") == hashes(own)
    assert await names(market, R, workerpool="any") == hashes(free, own, other, with_data)
    assert await names(market, R, dataset=str(ZERO_ADDRESS)) == hashes(free)
    assert await names(market, R, dataset="any", app="any") == hashes(free, with_data)
    assert await names(market, R, requester=str(BUYER.address)) == hashes(free, with_data)
    assert await names(market, R, beneficiary=str(OTHER)) == []


async def test_owners_are_equal_or_any(market):
    """The SDK lets its user ask for the apps and datasets of anybody."""
    app, data, pool = await publish(market, app_order(), dataset_order(), pool_order())
    signers = {A: SELLER.address, D: SELLER.address, W: POOL_OWNER.address}
    for sort, order in ((A, app), (D, data), (W, pool)):
        whose = f"{sort.value}Owner"
        assert await names(market, sort, **{whose: str(signers[sort])}) == hashes(order)
        assert await names(market, sort, **{whose: "any"}) == hashes(order)
        assert await names(market, sort, **{whose: str(OTHER)}) == []


async def test_tags_count_to_the_last_bit(market):
    low = Tag(bytes([0x10] + [0] * 30 + [0x01]))
    high = Tag(bytes([0xF0] + [0] * 30 + [0x03]))
    bare, one, more = await publish(market, app_order(), app_order(tag=low), app_order(tag=high))
    ask = {"app": str(APP)}
    assert await names(market, A, **ask, minTag=str(low)) == hashes(one, more)
    assert await names(market, A, **ask, maxTag=str(low)) == hashes(bare, one)
    assert await names(market, A, **ask, minTag=str(low), maxTag=str(low)) == hashes(one)
    assert await names(market, A, **ask, minTag="0x" + "0" * 64) == hashes(bare, one, more)
    assert await names(market, A, **ask, maxTag="0x" + "0" * 64) == hashes(bare)
    assert await names(market, A, **ask, minTag="0x80" + "0" * 62) == hashes(more)


async def test_trust_category_and_volume(market):
    plain = pool_order()
    sure = pool_order(trust=Trust(10), category=1, volume=100)
    await publish(market, plain, sure)
    assert await names(market, W) == hashes(plain, sure)
    assert await names(market, W, minTrust="1") == hashes(plain, sure)
    assert await names(market, W, minTrust="2") == hashes(sure)
    assert await names(market, W, category="1") == hashes(sure)
    assert await names(market, W, minVolume="11") == hashes(sure)
    assert await names(market, W, workerpoolOwner=str(POOL_OWNER.address)) == hashes(plain, sure)
    assert await names(market, W, workerpool=str(OTHER)) == []
    await market.published(app_order())
    asks = request_order(), request_order(trust=Trust(5))
    await publish(market, *asks)
    assert await names(market, R, maxTrust="0") == hashes(asks[0])
    assert await names(market, R, maxTrust="5") == hashes(*asks)


async def test_bulk_orders_are_free_and_without_limit(market):
    bulk = dataset_order(volume=BULK_VOLUME + 1)
    await publish(market, dataset_order(), bulk, dataset_order(volume=BULK_VOLUME - 1))
    answer = (await market.get(PATHS[D], dataset="any", bulkOnly="true")).json()
    assert [row["orderHash"] for row in answer["orders"]] == hashes(bulk)
    assert answer["orders"][0]["bulk"] is True
    assert answer["orders"][0]["order"]["volume"] == 9007199254740991
    flags = (await market.get(PATHS[D], datasetOwner=str(SELLER.address))).json()["orders"]
    assert sorted(row["bulk"] for row in flags) == [False, False, True]


async def test_the_best_price_comes_first_then_the_oldest(market):
    dear, cheap, later = await publish(
        market,
        app_order(price=NanoRlc(2)),
        app_order(price=NanoRlc(1)),
        app_order(price=NanoRlc(1)),
    )
    assert await names(market, A, app=str(APP)) == hashes(cheap, later, dear)
    market.chain.deposit(BUYER.address, 1000)
    await market.mine()
    await market.published(app_order())
    low, high = await publish(
        market,
        request_order(workerpool_max_price=NanoRlc(1)),
        request_order(workerpool_max_price=NanoRlc(2)),
    )
    assert await names(market, R) == hashes(high, low)


async def test_pages(market):
    all_of = await publish(market, *(app_order() for _ in range(20)))
    ask = {"app": str(APP)}

    async def page(**asked):
        answer = (await market.get(PATHS[A], **ask, **asked)).json()
        assert answer["count"] == 20
        return [row["orderHash"] for row in answer["orders"]], answer.get("nextPage")

    assert await page() == (hashes(*all_of), 20)
    assert await page(page="20") == ([], None)
    assert await page(pageIndex="0") == (hashes(*all_of), 20)
    assert await page(pageIndex="1", page="3") == ([], None)
    assert await page(pageSize="10") == (hashes(*all_of[:10]), 10)
    assert await page(pageSize="10", pageIndex="1") == (hashes(*all_of[10:]), 20)
    assert await page(pageSize="15", pageIndex="1") == (hashes(*all_of[15:]), None)
    assert await page(page="15") == (hashes(*all_of[15:]), None)
    assert await page(pageSize="1000", pageIndex=str(2**53 - 1)) == ([], None)


@pytest.mark.parametrize(
    ("sort", "asked", "text"),
    [
        (A, {}, "app or appOwner is required"),
        (D, {}, "dataset or datasetOwner is required"),
        (A, {"app": "x"}, 'app is neither "any" nor a valid ethereum address'),
        (A, {"appOwner": "x"}, "appOwner is not a valid ethereum address"),
        (W, {"pageSize": "1"}, "pageSize must be greater than or equal to 10"),
        (W, {"pageSize": "1001"}, "pageSize must be less than or equal to 1000"),
        (W, {"pageIndex": "-1"}, "pageIndex must be greater than or equal to 0"),
        (W, {"minVolume": "0"}, "minVolume must be greater than or equal to 1"),
        (W, {"minTag": "0x1"}, "minTag must be a bytes32 hexstring"),
        (
            A,
            {"app": "any", "isDatasetStrict": "abc"},
            'isDatasetStrict must be a `boolean` type, but the final value was: `"abc"`.',
        ),
        (
            W,
            {"category": "abc"},
            'category must be a `number` type, but the final value was: `NaN` (cast from the value `"abc"`).',
        ),
    ],
)
async def test_a_parameter_that_cannot_be_read_is_named(market, sort, asked, text):
    refused(await market.get(PATHS[sort], **asked), text)


@pytest.mark.parametrize("sort", [A, D, W])
async def test_a_page_of_assets_is_short_for_each_row_costs_more(market, sort):
    await market.mine()
    assert (await market.get(f"/{sort.value}s", pageSize="100")).json()["count"] == 1
    over = await market.get(f"/{sort.value}s", pageSize="101")
    refused(over, "pageSize must be less than or equal to 100")


async def test_texts_of_assets_are_read_side_by_side(tmp_path):
    apps = [Address(bytes([n] * 20)) for n in range(1, 6)]

    class Slow(FakeMarketChain):
        """Answers once all have asked."""

        all_of_them = asyncio.Barrier(len(apps) + 1)  # and the one of every market

        async def app(self, address):
            await self.all_of_them.wait()
            return await super().app(address)

    chain = ready_chain(Slow())
    for each in apps:
        chain.register(A, each, SELLER.address)
    async with a_market(f"sqlite:///{tmp_path / 'market.db'}", chain) as market:
        await market.mine()
        async with asyncio.timeout(60):
            told = (await market.get("/apps")).json()
    assert {each["address"] for each in told["apps"]} == {str(APP), *map(str, apps)}


async def test_what_is_not_there_is_told_as_json(market):
    for path, text in (
        ("/apporders/0x" + "0" * 64, "apporder not found"),
        ("/requestorders/0x" + "0" * 64, "requestorder not found"),
        ("/deals/0x" + "0" * 64, "deal not found"),
        ("/categories/99", "category not found"),
        ("/nothing", "Not Found"),
        ("/nothing/at/all", "Not Found"),
    ):
        answer = await market.get(path)
        assert answer.status_code == 404
        assert answer.json() == {"ok": False, "error": text}
        assert answer.headers["content-type"] == "application/json"
    refused(await market.get("/apporders/0x12"), "orderHash must be a bytes32 hexstring")
    refused(await market.get("/deals/0x12"), "dealid must be a bytes32 hexstring")
    refused(await market.get("/ohlc"), "category is a required field")
    assert (await market.http.delete("/apporders", params={"chainId": "31337"})).status_code == 405


async def test_categories_by_time_and_number(market):
    market.chain.create_category(2, "long", 3600)
    market.chain.create_category(1, "also short", 300)
    await market.mine()
    told = (await market.get("/categories")).json()
    assert [each["catid"] for each in told["categories"]] == [0, 1, 2]
    assert told["count"] == 3
    within = {"minWorkClockTimeRef": "300", "maxWorkClockTimeRef": "300"}
    assert (await market.get("/categories", **within)).json()["count"] == 2
    one = (await market.get("/categories/2")).json()
    assert one == {"ok": True, **told["categories"][2], "chainId": str(CHAIN_ID)}
    assert one["name"] == "long"


async def test_metrics_and_health_tell_where_the_book_is(market):
    await publish(market, app_order(), pool_order(), pool_order())
    number = market.chain._blocks[-1].head.number
    assert (await market.get("/metrics")).json() == {
        "ok": True, "lastBlock": number, "checkpointBlock": number,
        "apporders": 1, "datasetorders": 0, "workerpoolorders": 2, "requestorders": 0,
    }  # fmt: skip
    assert (await market.http.get("/health")).json()["block"] == number
    assert (await market.http.get("/version")).json()["ok"] is True
