"""Counts of open orders by kind: right whatever happens, and lists that cost no more in a long book."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from alembic.migration import MigrationContext
from counted_steps import CountedSteps
from market_world import APP, BUYER, MAKERS, SIGNERS, app_order, hash_of, pool_order, request_order
from sqlalchemy import create_engine, insert, select, text

from poolhand.domain.ids import Address
from poolhand.domain.market.book import BookOrder, BookStatus, sort_of, traits_of
from poolhand.domain.market.filters import BookFilter, Slice, restricted_to
from poolhand.domain.market.room import takes_room
from poolhand.domain.market_events import OrderSort
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.store.market import kinds, lists, orders, room
from poolhand.store.market.database import MARKET_MIGRATIONS, MarketDatabase
from poolhand.store.market.kinds import open_counts
from poolhand.store.market.lists import list_orders
from poolhand.store.market.schema import BOOK, KINDS_TABLE, ORDERS_TABLE
from poolhand.store.migrate import migrate
from poolhand.store.sql_engine import TOGETHER, open_engine

FREE = restricted_to(None, strict=False)
WIDE = [
    BookFilter(OrderSort.WORKERPOOL, {"app": FREE, "dataset": FREE, "requester": FREE}),
    BookFilter(OrderSort.WORKERPOOL, {"app": FREE}, category=1, min_trust=5),
    BookFilter(OrderSort.WORKERPOOL, {"app": FREE}, category=7),
    BookFilter(OrderSort.REQUEST, {"workerpool": FREE}),
    BookFilter(OrderSort.REQUEST, {"workerpool": FREE, "app": (APP,)}),
    BookFilter(OrderSort.REQUEST, {"beneficiary": (BUYER.address,)}),
    BookFilter(OrderSort.WORKERPOOL, {"workerpool": (APP,)}),
]


def entry(order, number=0, status=BookStatus.OPEN):
    signer = Address(b"\x51" + number.to_bytes(19, "big"))
    told = hash_of(order), order, bytes(65), signer, status, order.volume
    return BookOrder(*told, published=number)


def counted(connection):
    """How many orders there are of each kind, by the rows themselves."""
    rows = connection.execute(
        select(ORDERS_TABLE.c.kind).where(ORDERS_TABLE.c.open_in.is_not(None))
    )
    found = [kind for (kind,) in rows]
    return {kind: found.count(kind) for kind in found}


def told(connection):
    return dict(connection.execute(select(KINDS_TABLE.c.id, KINDS_TABLE.c.open_orders)).all())


@pytest.fixture
def connection():
    engine = create_engine("sqlite://")
    BOOK.create_all(engine)
    with engine.connect() as made:
        yield made
    engine.dispose()


def test_orders_are_counted_as_they_come_go_and_come_back(connection):
    dice = random.Random(5)
    some = [MAKERS[sort](price=NanoRlc(n)) if sort is not OrderSort.REQUEST else MAKERS[sort]()
            for n, sort in enumerate(list(OrderSort) * 6)]  # fmt: skip
    some += [pool_order(category=n % 3, trust=Trust(n % 2)) for n in range(12)]
    for order in some:
        orders.put(connection, entry(order), BlockNumber(0))
    for _ in range(200):
        order = dice.choice(some)
        row = orders.find(connection, sort_of(order), hash_of(order))
        status = dice.choice(list(BookStatus))
        if row is None:
            orders.put(connection, entry(order, status=status), BlockNumber(0))
        elif dice.random() < 0.1:
            orders.remove(connection, sort_of(order), [hash_of(order)])
        elif row.entry.status is BookStatus.OPEN or dice.random() < 0.5:
            orders.restate(connection, row.n, entry(order, status=status))
        else:
            orders.put(connection, entry(order), BlockNumber(1), row)
        taken = [row for row in connection.execute(select(ORDERS_TABLE.c.sort, ORDERS_TABLE.c.status))
                 if takes_room(OrderSort(row.sort), BookStatus(row.status))]  # fmt: skip
        for sort in OrderSort:
            assert room.taken(connection, sort) == [row.sort for row in taken].count(sort)
        assert told(connection) == counted(connection)
    by_sort = open_counts(connection)
    assert sum(by_sort.values()) == sum(counted(connection).values()) > 0


def test_a_kind_of_which_nothing_is_left_is_forgotten(connection):
    order = app_order()
    orders.put(connection, entry(order), BlockNumber(0))
    assert len(told(connection)) == 1
    orders.remove(connection, OrderSort.APP, [hash_of(order)])
    assert told(connection) == {}


class Steps(CountedSteps):
    """A long book."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._fill(size)

    def _fill(self, size: int) -> None:
        for made in (pool_order(), request_order()):
            row = orders.members_of(entry(made), BlockNumber(0))
            members = {}
            for number in range(6):
                trust, category = 5 * (number % 2), number % 3
                like = replace(made, trust=Trust(trust), category=category)
                shown = {"trust": trust, "category": category, "kind": 0}
                many = len(range(number, size, 6))
                shown["kind"] = kinds.enter(self.connection, traits_of(like), many)
                members[number] = shown
            rows = [
                {**row, **members[number % 6], "order_hash": f"0x{number:064x}",
                 "rank": number % 97, "published": number, "signer": f"s{number}",
                 "resource": f"r{number}", "beneficiary": f"b{number}"}
                for number in range(size)
            ]  # fmt: skip
            self.connection.execute(insert(ORDERS_TABLE), rows)


@pytest.fixture(scope="module")
def books():
    made = [Steps(1500), Steps(15000)]
    yield made
    for each in made:
        each.close()


@pytest.mark.parametrize("wanted", WIDE, ids=range(len(WIDE)))
def test_a_list_in_a_book_ten_times_as_long_takes_no_more_steps(books, wanted):
    few, many = (book.of(lambda c: list_orders(c, wanted, Slice(0, 20))) for book in books)
    assert many <= 1.3 * few


def test_an_order_in_a_book_ten_times_as_long_takes_no_more_steps(books):
    def publish(connection):
        order = pool_order(category=1)
        orders.count_open(connection, OrderSort.WORKERPOOL, SIGNERS[OrderSort.WORKERPOOL].address)
        orders.put(connection, entry(order), BlockNumber(0))
        row = orders.find(connection, OrderSort.WORKERPOOL, hash_of(order))
        orders.restate(connection, row.n, entry(order, status=BookStatus.DEAD))
        orders.remove(connection, OrderSort.WORKERPOOL, [hash_of(order)])

    few, many = (book.of(publish) for book in books)
    assert many <= 1.3 * few


def test_many_kinds_are_not_named_one_by_one(connection):
    """Hundreds of kinds: the same list as by the rule, near its beginning and far down."""
    some = [pool_order(category=n, price=NanoRlc(n % 7)) for n in range(1100)]
    for number, order in enumerate(some):
        orders.put(connection, entry(order, number), BlockNumber(0))
    wanted = BookFilter(OrderSort.WORKERPOOL, {"app": FREE})
    in_order = sorted(some, key=lambda order: (order.price, order.category))
    for part in (Slice(0, 30), Slice(1000, 30)):
        found = list_orders(connection, wanted, part)
        assert found.count == 1100
        names = [row.order_hash for row in found.rows]
        shown = in_order[part.skip : part.skip + part.size]
        assert names == [str(hash_of(order)) for order in shown]
    assert lists.NEAR_IN_LIST < 1030


def test_a_book_of_the_first_version_is_counted_when_it_is_opened(empty_url):
    engine = open_engine(empty_url, TOGETHER)
    prices = (NanoRlc(1), NanoRlc(2), NanoRlc(3))
    paid = ("app_max_price", "dataset_max_price", "workerpool_max_price")
    request = request_order(**dict(zip(paid, prices, strict=True)))
    some = [MAKERS[sort]() for sort in OrderSort if sort is not OrderSort.REQUEST]
    some += [request] + [pool_order() for _ in range(3)]
    dead = app_order()
    with engine.begin() as connection:
        migrate(connection, MARKET_MIGRATIONS, "0001")
        for order in (*some, dead):
            made = entry(order, status=BookStatus.DEAD if order is dead else BookStatus.OPEN)
            row = orders.members_of(made, BlockNumber(0))
            row = {name: each for name, each in row.items() if name not in ("resource", "offer")}
            names = ", ".join(row)
            marks = ", ".join(f":{name}" for name in row)
            connection.execute(text(f"INSERT INTO orders ({names}) VALUES ({marks})"), row)
    engine.dispose()
    database = MarketDatabase(empty_url)
    with database._engine.begin() as connection:
        assert MigrationContext.configure(connection).get_current_revision() >= "0002"
        assert told(connection) == counted(connection)
        assert sorted(told(connection).values()) == [1, 1, 1, 4]
        taken = {sort: room.taken(connection, sort) for sort in OrderSort}
        assert taken == dict.fromkeys(OrderSort, 0) | {OrderSort.APP: 1, OrderSort.REQUEST: 1}
        asked = select(ORDERS_TABLE.c.sort, ORDERS_TABLE.c.offer).where(
            ORDERS_TABLE.c.offer.is_not(None)
        )
        assert connection.execute(asked).all() == [("request", 6)]
        for order in some:
            orders.restate(connection, orders.find(connection, sort_of(order), hash_of(order)).n,
                           entry(order, status=BookStatus.FILLED))  # fmt: skip
        assert told(connection) == {}
        resources = connection.scalars(
            select(ORDERS_TABLE.c.resource).order_by(ORDERS_TABLE.c.n)
        ).all()
        assert [Address.parse(each) for each in resources[:2]] == [APP, some[1].dataset]
    database.close()


def test_indexes_of_one_kind_only_hold_requests(connection):
    plan = "EXPLAIN QUERY PLAN SELECT n FROM orders WHERE open_in = 'request' AND beneficiary = 'x'"
    found = [row[3] for row in connection.exec_driver_sql(plan)]
    assert any("ix_orders_beneficiary" in each for each in found)
