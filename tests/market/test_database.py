"""The market's database: its tables, who may have it, and that lists are read off an index."""

from __future__ import annotations

import sqlite3

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from market_world import APP, CHAIN_ID, HUB, MAKERS, SIGNERS, app_order, hash_of
from sqlalchemy import create_engine, event, select

from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus
from poolhand.domain.market.filters import BookFilter, Slice, restricted_to
from poolhand.domain.market.losses import Loss
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import BlockNumber, NanoRlc
from poolhand.market import dependants
from poolhand.store.market import orders
from poolhand.store.market.database import MarketDatabase
from poolhand.store.market.errors import BookLocked, BookOfAnotherChain, BookTooNew, BookUnwritable
from poolhand.store.market.lists import list_orders
from poolhand.store.market.schema import BOOK, ORDERS_TABLE

OTHER = Address(b"\x77" * 20)


def test_migrations_make_the_tables_that_the_code_knows(empty_url):
    database = MarketDatabase(empty_url)
    try:
        with database._engine.connect() as connection:
            found = compare_metadata(MigrationContext.configure(connection), BOOK)
        assert found == []
    finally:
        database.close()


def test_a_database_has_one_market_at_a_time(database_url):
    first = MarketDatabase(database_url)
    with pytest.raises(BookLocked, match="another process"):
        MarketDatabase(database_url)
    first.close()
    MarketDatabase(database_url).close()


def test_a_database_belongs_to_one_hub(database_url):
    database = MarketDatabase(database_url)
    try:
        database.claim(CHAIN_ID, HUB)
        database.claim(CHAIN_ID, HUB)
        with pytest.raises(BookOfAnotherChain):
            database.claim(1, HUB)
        with pytest.raises(BookOfAnotherChain):
            database.claim(CHAIN_ID, OTHER)
    finally:
        database.close()


def test_tables_of_a_later_version_are_left_alone(tmp_path):
    file = tmp_path / "market.db"
    MarketDatabase(f"sqlite:///{file}").close()
    with sqlite3.connect(file) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(BookTooNew):
        MarketDatabase(f"sqlite:///{file}")


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(BookUnwritable, match="No such file"):
        MarketDatabase(f"sqlite:///{tmp_path / 'nowhere' / 'market.db'}")


async def test_work_that_fails_leaves_nothing(database_url):
    database = MarketDatabase(database_url)
    order = app_order()

    def work(connection):
        orders.put(connection, entry(order), BlockNumber(0))
        raise ArithmeticError

    try:
        with pytest.raises(ArithmeticError):
            await database.write(work)
        found = await database.read(lambda c: orders.find(c, OrderSort.APP, hash_of(order)))
        assert found is None
    finally:
        database.close()


def entry(order, status=BookStatus.OPEN, published=0):
    sort = next(s for s, m in MAKERS.items() if type(m()) is type(order))
    return BookOrder(
        hash_of(order), order, b"", SIGNERS[sort].address, status, order.volume, published
    )


# --------------------------------------------------------------------------------- how it is read


class Counted:
    """A book in memory that tells the plan of each question and how many rows came."""

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://")
        BOOK.create_all(self.engine)
        self.connection = self.engine.connect()
        self.plans: list[str] = []
        event.listen(self.engine, "before_cursor_execute", self._explain)

    def _explain(self, _conn, cursor, statement, parameters, _context, _many):
        if statement.startswith("SELECT"):
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            self.plans += [row[3] for row in cursor.fetchall()]

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()


@pytest.fixture
def counted():
    made = Counted()
    yield made
    made.close()


FREE = restricted_to(None, strict=False)
OWN = restricted_to(OTHER, strict=False)
FILTERS = [
    BookFilter(
        OrderSort.APP, {"app": (APP,), "dataset": FREE, "workerpool": OWN, "requester": OWN}
    ),
    BookFilter(OrderSort.APP, {"dataset": FREE, "workerpool": FREE}, signer=OTHER),
    BookFilter(OrderSort.DATASET, {"dataset": (APP,), "app": OWN}, bulk_only=True),
    BookFilter(OrderSort.WORKERPOOL, {"app": FREE, "dataset": FREE, "requester": FREE}, category=0),
    BookFilter(OrderSort.WORKERPOOL, {"workerpool": (APP,), "app": FREE}, category=3, min_trust=2),
    BookFilter(OrderSort.WORKERPOOL, {"app": FREE, "dataset": FREE, "requester": OWN}),
    BookFilter(OrderSort.REQUEST, {"workerpool": FREE}),
    BookFilter(OrderSort.REQUEST, {"requester": (OTHER,), "workerpool": OWN}, category=1),
    BookFilter(OrderSort.REQUEST, {"beneficiary": (OTHER,)}),
]


@pytest.mark.parametrize("wanted", FILTERS, ids=lambda each: each.sort.value)
def test_a_list_is_read_off_an_index_in_its_order(counted, wanted):
    list_orders(counted.connection, wanted, Slice(0, 20))
    assert counted.plans
    assert all("SEARCH" in plan and "USING" in plan for plan in counted.plans), counted.plans
    assert not any("B-TREE" in plan for plan in counted.plans), counted.plans


def test_what_a_block_asks_is_read_off_an_index(counted):
    names = [OrderHash(bytes([n] * 32)) for n in range(3)]
    orders.by_hashes(counted.connection, names)
    orders.open_of_signers(counted.connection, [OTHER])
    orders.open_of_resource(counted.connection, OrderSort.APP, APP, OTHER)
    orders.count_open(counted.connection, OrderSort.APP, OTHER)
    loss = Loss(OrderSort.APP, APP, NanoRlc(0), NanoRlc(5), (NanoRlc(2), names[0]))
    orders.needing(counted.connection, loss, 10)
    orders.doubtful(counted.connection, 10)
    plans = [plan for plan in counted.plans if "TEMP B-TREE" not in plan]
    assert len(plans) >= 7
    assert all("SEARCH orders USING" in plan for plan in plans), plans
    assert any("ix_orders_paying_app" in plan for plan in plans)


@pytest.mark.parametrize("crowd", [10, 100])
def test_requests_that_lose_nothing_are_not_tried(counted, crowd):
    """However many requests an app has: with an order for everybody left, none is looked at."""
    connection = counted.connection
    gone, kept = app_order(), app_order()
    for order in (gone, kept, *(MAKERS[OrderSort.REQUEST]() for _ in range(crowd))):
        orders.put(connection, entry(order), BlockNumber(0))
    orders.remove(connection, OrderSort.APP, [hash_of(gone)])
    counted.plans.clear()
    assert dependants.lost(connection, [entry(gone)], None) == []
    assert len(counted.plans) <= 6
    orders.remove(connection, OrderSort.APP, [hash_of(kept)])
    assert len(dependants.lost(connection, [entry(kept)], None)) == crowd


def test_a_restriction_is_no_reason_to_leave_the_index_of_the_resource(counted):
    assert restricted_to(None, strict=True) == (ZERO_ADDRESS,)
    list_orders(counted.connection, FILTERS[0], Slice(0, 20))
    assert "ix_orders_resource" in counted.plans[0]
    assert counted.connection.scalar(select(ORDERS_TABLE.c.n)) is None
