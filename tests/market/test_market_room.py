"""The book's room: who gives way to a new order when it is full, and that it costs the same work."""

from __future__ import annotations

import pytest
from counted_steps import CountedSteps
from market_world import (
    APP,
    BUYER,
    PATHS,
    SELLER,
    STRANGER,
    a_market,
    app_order,
    hash_of,
    ready_chain,
    refused,
    request_order,
)
from sqlalchemy import func, insert, select

from poolhand.domain.ids import BlockHash, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus
from poolhand.domain.market.publishing import BookLimits, OrderFacts, Publication
from poolhand.domain.market.refusals import BookFull
from poolhand.domain.market.room import STANDS, BookRoom, Occupant, making_room
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds
from poolhand.market.publisher import Placing, put_in
from poolhand.store.market import counts, orders, room
from poolhand.store.market.schema import ORDERS_TABLE

RICH = 1000


def entry(order, status=BookStatus.OPEN, published=0):
    name, signer = hash_of(order), BUYER.address
    return BookOrder(name, order, bytes(65), signer, status, order.volume, published)


def paying(price, **changes):
    return request_order(workerpool_max_price=NanoRlc(price), **changes)


# ----------------------------------------------------------------------------------- the pure rule


def instead_of(order, held, *, taken, most=5, now=0, before=None):
    """Whose places an order takes among those held: tuples of offer, or None, and moment."""
    occupants = [Occupant(OrderHash(bytes([n]) * 32), *each) for n, each in enumerate(held)]
    found = BookRoom(taken, most, lambda many: occupants[:many])
    gone = making_room(entry(order), before, found, now)
    return [occupant.order_hash[0] for occupant in occupants if occupant.order_hash in gone]


def test_while_there_is_room_nobody_gives_way():
    assert instead_of(paying(0), [(None, 0)], taken=4) == []


def test_a_dead_order_gives_way_to_anybody_at_once():
    assert instead_of(paying(0), [(None, 0), (NanoRlc(0), 0)], taken=5) == [0]


def test_the_lower_offer_gives_way_at_once_and_the_higher_never():
    assert instead_of(paying(4), [(NanoRlc(3), 0)], taken=5) == [0]
    with pytest.raises(BookFull, match=r"5 requests.* 3 nRLC per task.* offer more, or hand"):
        instead_of(paying(2), [(NanoRlc(3), 0)], taken=5, now=STANDS)


def test_what_pays_for_app_and_dataset_is_offered_too():
    order = paying(1, app_max_price=NanoRlc(2), dataset_max_price=NanoRlc(3))
    assert instead_of(order, [(NanoRlc(5), 0)], taken=5) == [0]


def test_as_low_an_offer_gives_way_once_it_has_stood_for_its_time():
    assert instead_of(paying(3), [(NanoRlc(3), 7)], taken=5, now=7 + STANDS) == [0]
    with pytest.raises(BookFull, match="offer more, try again in 1 s, or hand"):
        instead_of(paying(3), [(NanoRlc(3), 7)], taken=5, now=6 + STANDS)


def test_a_dead_request_that_is_published_again_takes_nobodys_place():
    order = paying(0)
    dead = entry(order, BookStatus.DEAD)
    assert instead_of(order, [(NanoRlc(9), 0)], taken=5, before=dead) == []


def test_where_more_is_held_than_there_is_room_for_two_give_way_or_none():
    cheap = [(NanoRlc(1), 0), (NanoRlc(2), 0), (NanoRlc(3), 0)]
    assert instead_of(paying(9), cheap, taken=50) == [0, 1]
    with pytest.raises(BookFull, match="2 nRLC"):
        instead_of(paying(2), cheap, taken=50)


# -------------------------------------------------------------------------------------- in a market


@pytest.fixture
async def small(database_url):
    """A market with room for two requests, and an app for everybody."""
    chain = ready_chain()
    for wallet in (BUYER, STRANGER):
        chain.deposit(wallet.address, RICH)
    chain.mine()
    async with a_market(database_url, chain, room=2) as market:
        await market.published(app_order())
        yield market


async def shown(market):
    told = (await market.get("/requestorders", workerpool="any")).json()
    return told["count"], {each["orderHash"] for each in told["orders"]}


async def held(market):
    """How many rows of orders there are, by sort, and how many are counted as taking room."""

    def work(connection):
        rows = connection.execute(
            select(ORDERS_TABLE.c.sort, func.count()).group_by(ORDERS_TABLE.c.sort)
        ).all()
        taken = {sort.value: room.taken(connection, sort) for sort in OrderSort}
        return dict(map(tuple, rows)), taken

    return await market.database.read(work)


async def test_the_request_that_offers_least_makes_room_and_is_told_no_more(small):
    least, middle, most = paying(1), paying(2), paying(3)
    for order in (middle, least, most):
        await small.published(order)
    assert await shown(small) == (2, {str(hash_of(middle)), str(hash_of(most))})
    assert await small.status(least) is None
    assert (await small.get("/metrics")).json()["requestorders"] == 2
    answer = await small.send(least)
    text = (
        "the book is full: it has room for 2 requests, and all of them offer 2 nRLC per task or "
        "more (app, dataset and workerpool price together): offer more, or hand the request to "
        "its pool by signature"
    )
    refused(answer, 403, text)
    await small.unpublish(OrderSort.REQUEST, BUYER, orderHash=str(hash_of(most)))
    await small.published(least)


async def test_fresh_wallets_drive_out_no_free_request_before_its_time(small):
    honest, filler = request_order(), paying(0)
    await small.published(honest)
    await small.published(filler)
    flood = request_order(requester=STRANGER.address)
    answer = await small.send(flood, STRANGER)
    assert answer.status_code == 403
    assert "offer more, try again in 600 s, or hand" in answer.json()["error"]
    small.clock[0] += STANDS
    await small.published(flood, STRANGER)
    assert await shown(small) == (2, {str(hash_of(filler)), str(hash_of(flood))})


async def test_one_wallet_that_lets_its_requests_die_adds_no_rows(small):
    """Its own app's order comes and goes, for signatures alone, and its requests die each time."""
    for _ in range(4):
        first, second = request_order(), request_order()
        await small.published(first)
        await small.published(second)
        await small.unpublish(OrderSort.APP, SELLER, target="unpublish_all", app=str(APP))
        assert [await small.status(each) for each in (first, second)] == [("dead", 1)] * 2
        await small.published(app_order())
    assert await held(small) == (
        {"app": 1, "request": 2},
        {"app": 0, "dataset": 0, "workerpool": 0, "request": 2},
    )


async def test_dead_offers_that_pile_up_make_room_oldest_first(small):
    """An app that goes from wallet to wallet leaves dead orders behind: so many, and no more."""
    dead, owners = [], (SELLER, STRANGER)
    for turn in range(6):
        order = app_order()
        dead.append(order)
        await small.published(order, owners[turn % 2])
        small.chain.give(APP, owners[(turn + 1) % 2].address)
        await small.mine()
    kept = [order for order in dead if await small.status(order) == ("dead", 1000)]
    assert kept == dead[-3:]
    rows, taken = await held(small)
    assert rows == {"app": 3}
    assert taken["app"] == 3
    await small.published(dead[-2], SELLER)
    assert (await held(small))[1]["app"] == 2


async def test_who_made_room_does_not_come_back_with_a_fork(small):
    lost, kept = paying(1), paying(5)
    await small.published(lost)
    await small.published(paying(2))
    small.chain.withdraw(BUYER.address, RICH)
    await small.mine()
    assert await small.status(lost) == ("dead", 1)
    await small.published(request_order(requester=STRANGER.address), STRANGER)
    assert await small.status(lost) is None
    small.chain.reorganise(1)
    await small.mine()
    assert await small.status(lost) is None
    assert (await held(small))[1]["request"] == 2
    await small.published(kept)
    assert await shown(small) == (2, {str(hash_of(kept)), *(await shown(small))[1]})


async def test_a_book_with_more_than_its_room_comes_down_as_orders_are_published(database_url):
    chain = ready_chain()
    chain.deposit(BUYER.address, RICH)
    chain.mine()
    async with a_market(database_url, chain) as market:
        await market.published(app_order())
        for price in range(6):
            await market.published(paying(price))
    async with a_market(database_url, chain, room=3) as market:
        for price in (10, 11, 12):
            await market.published(paying(price))
        assert (await shown(market))[0] == 3
        told = (await market.get(PATHS[OrderSort.REQUEST], workerpool="any")).json()["orders"]
        assert [each["order"]["workerpoolmaxprice"] for each in told] == [12, 11, 10]


async def test_an_order_that_is_published_again_takes_not_its_own_place(database_url):
    chain, some = ready_chain(), [request_order() for _ in range(4)]
    async with a_market(database_url, chain) as market:
        await market.published(app_order())
        for order in some:
            await market.published(order)
        await market.unpublish(OrderSort.APP, SELLER, target="unpublish_all", app=str(APP))
    async with a_market(database_url, chain, room=2) as market:
        await market.published(app_order())
        await market.published(some[0])
        assert [await market.status(order) for order in some] == [
            ("open", 1), None, None, ("dead", 1),
        ]  # fmt: skip


# ------------------------------------------------------------------------------------------- work


class FullBook(CountedSteps):
    """A book that is full of open requests and dead ones, half each."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        row = orders.members_of(entry(request_order()), BlockNumber(0))
        dead = {"status": "dead", "open_in": None, "offer": None}
        rows = [
            {**row, "order_hash": f"0x{n:064x}", "offer": n % 7, "published": n,
             "signer": f"s{n}", "kind": 1, **(dead if n % 2 else {})}
            for n in range(size)
        ]  # fmt: skip
        self.connection.execute(insert(ORDERS_TABLE), rows)
        counts.change(self.connection, {("room", "request"): size})
        orders.put(self.connection, entry(app_order()), BlockNumber(0))

    def publish(self, connection) -> None:
        order = paying(9)
        head = Head(
            BlockNumber(1), BlockHash(bytes(32)), BlockHash(bytes(32)), UnixSeconds(1), None
        )
        facts = OrderFacts(BUYER.address, signed=True, consumed=0, stake=NanoRlc(RICH))
        asked = Publication(hash_of(order), order, bytes(65), BUYER.address)
        put_in(connection, Placing(asked, facts, head, BookLimits(50, self.size), 10**6))


@pytest.mark.parametrize("dead", [True, False], ids=["dead", "open"])
def test_a_full_book_ten_times_as_long_takes_no_more_steps(dead):
    taken = []
    for size in (300, 3000):
        book = FullBook(size)
        if not dead:
            gone = ORDERS_TABLE.delete().where(ORDERS_TABLE.c.status == "dead")
            number = book.connection.execute(gone).rowcount
            counts.change(book.connection, {("room", "request"): -number})
            book.size -= number
        taken.append(book.of(book.publish))
        assert room.taken(book.connection, OrderSort.REQUEST) == book.size
        book.close()
    assert taken[1] <= 1.3 * taken[0]
