"""Requests that may have lost an order: who is looked at, in pages, and that none is forgotten."""

from __future__ import annotations

import pytest
from counted_steps import CountedSteps
from market_world import (
    APP,
    DATASET,
    POOL,
    SELLER,
    SIGNERS,
    a_market,
    app_order,
    dataset_order,
    hash_of,
    ready_chain,
    request_order,
)
from sqlalchemy import insert, select

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus, sort_of
from poolhand.domain.market.losses import Loss
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.market import dependants
from poolhand.market.dependants import DEPENDANTS_AT_ONCE
from poolhand.market.loss_rounds import LossRounds
from poolhand.store.market import losses, orders
from poolhand.store.market.errors import BookUnwritable
from poolhand.store.market.schema import LOSSES, ORDERS_TABLE

CROWD = 2 * DEPENDANTS_AT_ONCE + 50


def entry(order, number=0):
    signer = Address(b"\x55" + number.to_bytes(19, "big"))
    if sort_of(order) is not OrderSort.REQUEST:
        signer = SIGNERS[sort_of(order)].address
    told = hash_of(order), order, bytes(65), signer, BookStatus.OPEN, order.volume
    return BookOrder(*told, published=number)


def put_all(connection, some):
    for number, order in enumerate(some):
        orders.put(connection, entry(order, number), BlockNumber(0))


def crowd_of(size=CROWD, **changes):
    """Requests of as many wallets."""
    buyers = (Address(b"\x55" + number.to_bytes(19, "big")) for number in range(size))
    return [request_order(requester=buyer, **changes) for buyer in buyers]


# ---------------------------------------------------------------------------------- the pure rules


def loss(least=5, below=9, **more):
    top = None if below is None else NanoRlc(below)
    return Loss(OrderSort.APP, APP, NanoRlc(least), top, **more)


HERE = NanoRlc(6), OrderHash(bytes(32))


def test_what_is_lost_before_a_round_has_begun_widens_it():
    assert loss(5, 9).joined(loss(3, 7)) == loss(3, 9)
    assert loss(5, 9).joined(loss(7, None)) == loss(5, None)
    assert loss(5, None).joined(loss(7, 20)) == loss(5, None)


def test_what_is_lost_in_a_round_has_one_more_follow_however_often():
    twice = loss(reached=HERE).joined(loss(2, 3)).joined(loss(2, 3))
    assert twice == loss(2, 9, reached=HERE, again=True)
    assert twice.looked_at(None) == loss(2, 9)
    assert loss(2, 9).looked_at(None) is None


def test_a_full_page_goes_on_where_it_ended():
    assert loss(again=True).looked_at(HERE) == loss(reached=HERE, again=True)


# ------------------------------------------------------------------------------------- in a market


async def statuses(market):
    asked = select(ORDERS_TABLE.c.status).where(ORDERS_TABLE.c.sort == "request")
    found = await market.database.read(lambda connection: connection.scalars(asked).all())
    return {status: found.count(status) for status in found}


async def taken_out(market, order):
    sort = sort_of(order)
    answer = await market.unpublish(sort, SELLER, orderHash=str(hash_of(order)))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("sort", [OrderSort.APP, OrderSort.DATASET])
async def test_of_many_the_first_die_at_once_and_all_in_the_end(market, sort):
    app, dataset = app_order(), dataset_order()
    gone = app if sort is OrderSort.APP else dataset
    await market.published(app)
    await market.published(dataset)
    some = crowd_of(dataset=DATASET)
    await market.database.write(lambda connection: put_all(connection, some))
    await taken_out(market, gone)
    assert await statuses(market) == {
        "dead": DEPENDANTS_AT_ONCE,
        "open": CROWD - DEPENDANTS_AT_ONCE,
    }
    told = []
    market.follower.written.connect(lambda: told.append(1))
    await LossRounds(market.follower, market.database).look()
    assert await statuses(market) == {"dead": CROWD}
    assert told
    assert await market.database.read(losses.next_one) is None


async def test_a_market_that_is_started_again_goes_on(database_url):
    chain, order = ready_chain(), app_order()
    async with a_market(database_url, chain) as market:
        await market.published(order)
        await market.database.write(lambda connection: put_all(connection, crowd_of()))
        await taken_out(market, order)
    async with a_market(database_url, chain) as market:
        assert (await statuses(market))["open"] == CROWD - DEPENDANTS_AT_ONCE
        await LossRounds(market.follower, market.database).look()
        assert await statuses(market) == {"dead": CROWD}


class Stopped(Exception):
    """The rounds were about to pause."""


class NoClock:
    async def sleep(self, _seconds):
        raise Stopped


class BookAway:
    async def read(self, _work):
        raise BookUnwritable("the book", "the disk is full")


async def test_the_program_looks_at_all_before_it_pauses_and_goes_on_without_its_book(market):
    order = app_order()
    await market.published(order)
    await market.database.write(lambda connection: put_all(connection, crowd_of()))
    await taken_out(market, order)
    with pytest.raises(Stopped):
        await LossRounds(market.follower, BookAway()).keep_looking(NoClock())
    assert (await statuses(market))["open"] == CROWD - DEPENDANTS_AT_ONCE
    with pytest.raises(Stopped):
        await LossRounds(market.follower, market.database).keep_looking(NoClock())
    assert await statuses(market) == {"dead": CROWD}


async def test_what_is_lost_in_a_round_is_found_in_the_next(market):
    """The first page was passed, held by the order for its pool, when that went, too."""
    dear, of_pool, free = (
        app_order(price=NanoRlc(5)),
        app_order(workerpool_restrict=POOL),
        app_order(),
    )
    for order in (dear, of_pool, free):
        await market.published(order)
    poor, rich = crowd_of(workerpool=POOL), crowd_of(app_max_price=NanoRlc(5))
    await market.database.write(lambda connection: put_all(connection, [*poor, *rich]))
    await taken_out(market, free)
    assert await statuses(market) == {"open": 2 * CROWD}
    await taken_out(market, of_pool)
    assert await statuses(market) == {
        "open": 2 * CROWD - DEPENDANTS_AT_ONCE,
        "dead": DEPENDANTS_AT_ONCE,
    }
    await LossRounds(market.follower, market.database).look()
    assert await statuses(market) == {"open": CROWD, "dead": CROWD}


async def test_a_fork_brings_back_those_that_died_in_a_round(market):
    order = app_order()
    await market.published(order)
    await market.database.write(lambda connection: put_all(connection, crowd_of()))
    market.chain.close(OrderSort.APP, hash_of(order), order.volume)
    await market.mine()
    await LossRounds(market.follower, market.database).look()
    assert await statuses(market) == {"dead": CROWD}
    market.chain.reorganise(1)
    await market.mine()
    assert await market.status(order) == ("open", 1000)
    assert await statuses(market) == {"open": CROWD}


async def test_a_fork_brings_none_back_that_a_person_orphaned(market):
    order = app_order()
    await market.published(order)
    await market.mine()
    await market.database.write(lambda connection: put_all(connection, crowd_of()))
    await taken_out(market, order)
    await LossRounds(market.follower, market.database).look()
    market.chain.reorganise(1)
    await market.mine()
    await LossRounds(market.follower, market.database).look()
    assert await statuses(market) == {"dead": CROWD}


# ------------------------------------------------------------------------------------------- work


class Crowd(CountedSteps):
    """A book with many free requests for one app and pool, each of another wallet."""

    def __init__(self, size: int) -> None:
        super().__init__()
        row = orders.members_of(entry(request_order(workerpool=POOL)), BlockNumber(0))
        rows = [
            {**row, "order_hash": f"0x{n:064x}", "signer": f"0x{n:040x}", "kind": 1,
             "resource": f"0x{n:040x}"}
            for n in range(size)
        ]  # fmt: skip
        self.connection.execute(insert(ORDERS_TABLE), rows)

    def open(self) -> int:
        asked = select(ORDERS_TABLE.c.n).where(ORDERS_TABLE.c.open_in == "request")
        return len(self.connection.execute(asked).all())

    def put(self, *some) -> None:
        put_all(self.connection, some)

    def take(self, order) -> int:
        """Take an order out; how many steps that took."""
        orders.remove(self.connection, sort_of(order), [hash_of(order)])
        return self.of(lambda connection: dependants.lost(connection, [entry(order)], None))


@pytest.fixture
def crowds():
    made = [Crowd(3 * DEPENDANTS_AT_ONCE), Crowd(30 * DEPENDANTS_AT_ONCE)]
    yield made
    for each in made:
        each.close()


def flat(few, many):
    assert many <= 1.3 * few


def test_nobody_is_looked_at_whom_an_order_for_the_same_pool_holds(crowds):
    steps = []
    for each in crowds:
        gone, kept = (app_order(workerpool_restrict=POOL) for _ in range(2))
        each.put(gone, kept)
        steps.append(each.take(gone))
        assert losses.next_one(each.connection) is None
        assert each.open() in (3 * DEPENDANTS_AT_ONCE, 30 * DEPENDANTS_AT_ONCE)
    flat(*steps)
    assert steps[1] < 5000


def test_only_the_buyers_own_are_looked_at_where_an_order_was_for_one_buyer(crowds):
    buyer, steps = Address(b"\x66" * 20), []
    for each in crowds:
        own = request_order(requester=buyer, workerpool=POOL)
        gone = app_order(requester_restrict=buyer)
        each.put(gone)
        orders.put(each.connection, BookOrder(hash_of(own), own, b"", buyer, BookStatus.OPEN, 1, 0),
                   BlockNumber(0))  # fmt: skip
        steps.append(each.take(gone))
        row = orders.find(each.connection, OrderSort.REQUEST, hash_of(own))
        assert row.entry.status is BookStatus.DEAD
        assert each.open() in (3 * DEPENDANTS_AT_ONCE, 30 * DEPENDANTS_AT_ONCE)
    flat(*steps)


@pytest.mark.parametrize("is_held", [True, False], ids=["held", "dying"])
def test_a_page_of_very_many_takes_no_more_steps_than_one_of_many(crowds, is_held):
    """An order for everybody comes and goes above one that holds them all, or none does."""
    first, later = [], []
    for each in crowds:
        gone = app_order()
        each.put(gone, *([app_order(workerpool_restrict=POOL)] if is_held else []))
        before = each.open()
        first.append(each.take(gone))
        later.append(each.of(dependants.look_on))
        assert before - each.open() == (0 if is_held else 2 * DEPENDANTS_AT_ONCE)
    flat(*first)
    flat(*later)


def test_an_order_that_comes_and_goes_leaves_one_round_to_do(crowds):
    crowd = crowds[0]
    crowd.put(app_order(workerpool_restrict=POOL))
    for _ in range(5):
        gone = app_order()
        crowd.put(gone)
        crowd.take(gone)
    assert len(crowd.connection.execute(select(LOSSES)).all()) == 1
    pages = 0
    while dependants.look_on(crowd.connection):
        pages += 1
    assert pages <= 2 * 4


def test_apps_with_something_to_look_at_take_turns(crowds):
    connection = crowds[0].connection
    other = Address(b"\xa2" * 20)
    for resource in (APP, other):
        losses.add(connection, Loss(OrderSort.APP, resource, NanoRlc(0), None))
    crowds[0].put(*crowd_of(2 * DEPENDANTS_AT_ONCE, app=other))
    dependants.look_on(connection)
    assert losses.next_one(connection).resource == other
    dependants.look_on(connection)
    assert losses.next_one(connection).resource == APP
