"""Orders that come together: one look, one commit, each its own end; a block goes alone."""

from __future__ import annotations

import asyncio
import threading

import pytest
from market_world import app_order, hash_of
from sqlalchemy import event

from poolhand.domain.market.book import BookOrder, BookStatus
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import BlockNumber
from poolhand.market.block_lock import BlockLock
from poolhand.market.gathering import MOST_GATHERED, Gathering
from poolhand.store.market import orders
from poolhand.store.market.database import MarketDatabase
from poolhand.store.market.errors import BookUnwritable


def entry(order):
    return BookOrder(
        hash_of(order), order, b"", app_order().app, BookStatus.OPEN, order.volume, published=0
    )


def putting(order):
    return lambda connection: orders.put(connection, entry(order), BlockNumber(0))


@pytest.fixture
def database(database_url):
    made = MarketDatabase(database_url)
    yield made
    made.close()


async def has(database, order):
    found = await database.read(lambda c: orders.find(c, OrderSort.APP, hash_of(order)))
    return found is not None


async def written_together(database, *works):
    """Let works wait for the writer, so that it takes them as one; returns how each ended."""
    began, go, commits = threading.Event(), threading.Event(), []

    def hold(_):
        began.set()
        go.wait(60)

    first = asyncio.create_task(database.write(hold))
    await asyncio.to_thread(began.wait, 60)
    event.listen(database._engine, "commit", commits.append)
    rest = [asyncio.create_task(database.write(work)) for work in works]
    await asyncio.sleep(0)
    assert len(database._writer._waiting) == len(works)
    go.set()
    ended = await asyncio.gather(first, *rest, return_exceptions=True)
    return ended[1:], len(commits)


async def test_what_waits_together_is_one_commit(database):
    some = [app_order() for _ in range(5)]
    ended, commits = await written_together(database, *map(putting, some))
    assert ended == [None] * 5
    assert commits == 2  # the first one's, and one for all the others
    assert all([await has(database, order) for order in some])


async def test_what_fails_fails_alone_and_leaves_nothing(database):
    good, bad, last = app_order(), app_order(), app_order()

    def broken(connection):
        putting(bad)(connection)
        raise ArithmeticError

    ended, _ = await written_together(database, putting(good), broken, putting(last))
    assert [type(each) for each in ended] == [type(None), ArithmeticError, type(None)]
    found = [await has(database, order) for order in (good, bad, last)]
    assert found == [True, False, True]


async def test_what_the_database_does_not_take_fails_all_that_waited(database):
    good = app_order()

    def wrong(connection):
        connection.exec_driver_sql("SELECT nothing FROM nowhere")

    ended, _ = await written_together(database, putting(good), wrong)
    assert all(isinstance(each, BookUnwritable) for each in ended)
    assert not await has(database, good)
    await database.write(putting(good))
    assert await has(database, good)


async def test_questions_that_wait_are_asked_together_and_after_they_came():
    asked, began, gates = [], asyncio.Event(), [asyncio.Event() for _ in range(3)]

    async def ask(questions):
        asked.append(list(questions))
        began.set()
        await gates[len(asked) - 1].wait()
        return [question * 2 for question in questions]

    gathering = Gathering(ask)
    first = asyncio.create_task(gathering.answer(1))
    await began.wait()
    rest = [asyncio.create_task(gathering.answer(number)) for number in range(2, MOST_GATHERED + 3)]
    await asyncio.sleep(0)
    for gate in gates:
        gate.set()
    assert await asyncio.gather(first, *rest) == [
        2 * number for number in range(1, MOST_GATHERED + 3)
    ]
    assert [len(each) for each in asked] == [1, MOST_GATHERED, 1]


async def test_a_question_that_fails_fails_those_that_were_asked_with_it_only():
    async def ask(questions):
        if 0 in questions:
            raise ArithmeticError
        return questions

    gathering = Gathering(ask)
    with pytest.raises(ArithmeticError):
        await gathering.answer(0)
    assert await gathering.answer(1) == 1


async def test_a_block_waits_for_orders_under_way_and_later_orders_for_it():
    lock, told, go = BlockLock(), [], asyncio.Event()

    async def order(name):
        async with lock.shared():
            told.append(f"{name} begins")
            await go.wait()
            told.append(f"{name} ends")

    async def block():
        async with lock.alone():
            told.append("block")

    early = [asyncio.create_task(order(name)) for name in "ab"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    between = asyncio.create_task(block())
    await asyncio.sleep(0)
    late = asyncio.create_task(order("c"))
    await asyncio.sleep(0)
    assert told == ["a begins", "b begins"]
    go.set()
    await asyncio.gather(*early, between, late)
    assert told == ["a begins", "b begins", "a ends", "b ends", "block", "c begins", "c ends"]
