"""Lists of deals, assets and pools: their lengths are right, and cost no more where there are many."""

from __future__ import annotations

from dataclasses import replace

import pytest
from counted_steps import CountedSteps
from market_world import (
    APP,
    BUYER,
    POOL,
    STRANGER,
    app_order,
    dataset_order,
    pool_order,
    request_order,
)
from sqlalchemy import func, insert, select

from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.filters import Slice
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.market_events import OrderSort
from poolhand.store.market import counts, deals, pools
from poolhand.store.market.database import MARKET_MIGRATIONS, MarketDatabase
from poolhand.store.market.registered import newest_assets
from poolhand.store.market.schema import ASSET_STEPS, COUNTS_TABLE, MARKET_DEALS_TABLE, POOLS_TABLE
from poolhand.store.migrate import migrate
from poolhand.store.sql_engine import TOGETHER, open_engine

FEW, PART = 1_500, Slice(0, 20)
ZERO = "0x" + ZERO_ADDRESS.hex()


def told(connection):
    return {(row.list, row.member): row.number for row in connection.execute(select(COUNTS_TABLE))}


def counted(connection):
    """The same, by the rows themselves."""
    found = {}
    for name in counts.DEALS_COUNTED_BY:
        asked = select(MARKET_DEALS_TABLE.c[name], func.count()).group_by(
            MARKET_DEALS_TABLE.c[name]
        )
        for value, number in connection.execute(asked):
            found[counts.deals_by(name, value)] = number
    created = ASSET_STEPS.c.source == ZERO
    asked = select(ASSET_STEPS.c.sort, func.count()).where(created).group_by(ASSET_STEPS.c.sort)
    found |= {(sort, ""): number for sort, number in connection.execute(asked)}
    for table in (MARKET_DEALS_TABLE, POOLS_TABLE):
        found[table.name, ""] = connection.scalar(select(func.count()).select_from(table))
    return {each: number for each, number in found.items() if number}


async def test_deals_and_assets_are_counted_as_blocks_come_and_go(market):
    async def is_right():
        await market.follower.advance()
        found = await market.database.read(lambda c: (told(c), counted(c)))
        assert found[0] == found[1]
        return found[0]

    app, pool, dataset = app_order(), pool_order(), dataset_order()
    for number in range(3):
        buyer = (BUYER, STRANGER)[number % 2].address
        for sold in (dataset if number else None, None):
            market.match(app, pool, request_order(requester=buyer), 1, sold)
        market.chain.register(OrderSort.APP, Address(bytes([0xA2 + number] * 20)), BUYER.address)
        market.chain.mine()
        assert (await is_right())["deals", ""] == 2 * number + 2
    market.chain.reorganise(2)
    market.chain.mine()
    before = await is_right()
    assert before["deals", ""] == 2
    market.match(app, pool, request_order(), 1)
    market.chain.mine()
    assert await is_right() != before
    listed = (await market.get("/deals", app=str(APP), workerpool=str(POOL))).json()
    assert (listed["count"], len(listed["deals"])) == (3, 3)
    assert (await market.get("/apps")).json()["count"] == before["app", ""]


def test_a_pool_is_counted_once_however_often_it_is_registered():
    book = CountedSteps()
    for number in (1, 2, 1):
        where = Address(bytes([number] * 20))
        pools.put(book.connection, PoolProfile(where, where, "a", "b", "http://c", "http://d"), 7)
    assert pools.page(book.connection, PART)[1] == 2
    book.close()


def test_who_registers_again_is_asked_no_sooner_unless_it_has_moved():
    book, where = CountedSteps(), Address(b"\1" * 20)
    here = PoolProfile(where, where, "a", "b", "http://c", "http://d")

    def due(before):
        return list(pools.longest_unasked(book.connection, before, 10))

    pools.put(book.connection, here, 7)
    assert due(1) == [here]
    pools.answered(book.connection, where, "{}", 100)
    renamed = replace(here, name="z")
    pools.put(book.connection, renamed, 110)
    assert (due(100), due(101)) == ([], [renamed])
    assert pools.find(book.connection, where).seen == 100
    moved = replace(here, url="http://e")
    pools.put(book.connection, moved, 120)
    assert due(1) == [moved]
    assert pools.find(book.connection, where).seen is None
    book.close()


def test_pools_that_never_answer_keep_no_place_of_those_that_do():
    book, dead = CountedSteps(), [Address(bytes([n] * 20)) for n in range(1, 21)]
    there = Address(b"\xff" * 20)
    for each in (*dead, there):
        pools.put(book.connection, PoolProfile(each, each, "a", "", "http://c", "http://d"), 7)
    pools.answered(book.connection, there, "{}", 100)
    asked = pools.longest_unasked(book.connection, 101, 8, 50)
    assert [each.workerpool for each in asked].index(there) == 0
    assert len(asked) == 8
    assert there not in [
        each.workerpool for each in pools.longest_unasked(book.connection, 101, 8, 101)
    ]
    pools.begin(book.connection, [each.workerpool for each in asked], 102)
    again = pools.longest_unasked(book.connection, 101, 8, 50)
    assert not {each.workerpool for each in again} & {each.workerpool for each in asked}
    book.close()


def deal(number):
    """A row: one of two apps, one of seven requesters, in its own block."""
    row = dict.fromkeys(counts.DEALS_COUNTED_BY, "x") | {"category": number % 2}
    row |= {"app": f"a{number % 2}", "requester": f"r{number % 7}"}
    place = {"deal_id": f"{number:064x}", "block": number, "age": -number, "moment": number}
    return row | place | {"price": 1, "tx_hash": "", "document": "{}"}


@pytest.fixture(scope="module")
def books():
    made = [CountedSteps(), CountedSteps()]
    for book, size in zip(made, (FEW, 10 * FEW), strict=True):
        rows = [deal(number) for number in range(size)]
        rare = [deal(size + number) | {"workerpool": "rare"} for number in range(50)]
        book.connection.execute(insert(MARKET_DEALS_TABLE), rows + rare)
        counts.change(book.connection, counts.of_deals(rows + rare))
        place = {"log_index": 0, "sort": "app", "owner": "0x" + "11" * 20, "tx_hash": ""}
        assets = [place | {"block": n, "asset": f"0x{n:040x}", "source": ZERO} for n in range(size)]
        book.connection.execute(insert(ASSET_STEPS), assets)
        counts.change(book.connection, {("app", ""): size})
    yield made
    for each in made:
        each.close()


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"app": "a1"},
        {"category": 1},
        {"app": "a0", "requester": "r3", "workerpool": "rare"},
        {"app": "nobody's", "requester": "r3"},
    ],
    ids=str,
)
def test_a_list_of_ten_times_as_many_deals_takes_no_more_steps(books, wanted):
    few, many = (book.of(lambda c: deals.list_deals(c, wanted, PART)) for book in books)
    assert many <= 1.3 * few


def test_a_list_of_ten_times_as_many_assets_takes_no_more_steps(books):
    few, many = (book.of(lambda c: newest_assets(c, OrderSort.APP, PART)) for book in books)
    assert many <= 1.3 * few


def test_a_deal_among_ten_times_as_many_takes_no_more_steps(books):
    few, many = (
        book.of(lambda c: counts.change(c, counts.of_deals([deal(10**6)]))) for book in books
    )
    assert many <= 1.3 * few


def test_several_things_are_looked_for_among_the_newest_deals_that_have_the_rarest(books):
    few = books[0].connection
    fitting = deals.list_deals(few, {"app": "a0", "requester": "r3"}, PART)
    assert fitting.count == len([n for n in range(FEW + 50) if n % 14 == 10])
    near = deals.list_deals(few, {"app": "a0", "requester": "r3"}, Slice(40, 20), 100)
    assert near.count == 50
    assert len(near.rows) == 10


def test_a_book_of_an_older_version_is_counted_when_it_is_opened(empty_url):
    engine = open_engine(empty_url, TOGETHER)
    with engine.begin() as connection:
        migrate(connection, MARKET_MIGRATIONS, "0004")
        connection.execute(insert(MARKET_DEALS_TABLE), [deal(number) for number in range(20)])
        step = {"block": 1, "log_index": 0, "asset": "0x1", "owner": "0x2", "tx_hash": ""}
        steps = [
            step | {"sort": sort, "source": source, "log_index": index}
            for index, (sort, source) in enumerate(
                [("app", ZERO), ("app", "0x3"), ("dataset", ZERO)]
            )
        ]
        connection.execute(insert(ASSET_STEPS), steps)
    engine.dispose()
    database = MarketDatabase(empty_url)
    try:
        with database._engine.begin() as connection:
            assert told(connection) == counted(connection)
            assert told(connection)["dataset", ""] == 1
    finally:
        database.close()
