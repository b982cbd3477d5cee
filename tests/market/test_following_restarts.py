"""The book over restarts and outages, and orders that are published while a block comes."""

from __future__ import annotations

import pytest
from market_world import (
    APP,
    DATASET,
    PATHS,
    POOL_OWNER,
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
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc
from poolhand.market.follower import BLOCKS_READ_SINGLY, CatchingUp


async def test_a_restart_catches_up_with_what_was_missed(database_url):
    chain = ready_chain()
    chain.deposit(POOL_OWNER.address, 10)
    chain.mine()
    async with a_market(database_url, chain) as market:
        orders, request, _ = await sold(market, size=3)
        cancelled, given = app_order(), dataset_order()
        paid = pool_order(price=NanoRlc(4), volume=10)
        for order in (cancelled, given, paid):
            await market.published(order)
        await market.mine()
        assert await market.status(request) == ("open", 7)
        market.match(orders[0], orders[1], request, 3)
    chain.mine()
    chain.close(OrderSort.APP, hash_of(cancelled), 1000)
    chain.give(DATASET, STRANGER.address)
    chain.mine()
    chain.withdraw(POOL_OWNER.address, 5)
    chain.mine()
    async with a_market(database_url, chain) as market:
        await market.follower.advance()
        statuses = [
            await market.status(each) for each in (orders[0], request, cancelled, given, paid)
        ]
        assert statuses == [("open", 4), ("open", 4), ("canceled", 0), ("dead", 1000), ("dead", 10)]
        assert (await market.get("/deals")).json()["count"] == 2


async def test_a_stake_lost_and_regained_while_the_market_was_away_was_never_lost(database_url):
    chain = ready_chain()
    chain.deposit(POOL_OWNER.address, 10)
    chain.mine()
    paid = pool_order(price=NanoRlc(4), volume=10)
    async with a_market(database_url, chain) as market:
        await market.published(paid)
    chain.withdraw(POOL_OWNER.address, 5)
    chain.mine()
    chain.deposit(POOL_OWNER.address, 5)
    chain.mine()
    async with a_market(database_url, chain) as market:
        await market.follower.advance()
        assert await market.status(paid) == ("open", 10)


async def test_a_fork_while_the_market_was_away_is_undone_at_its_start(database_url):
    chain = ready_chain()
    async with a_market(database_url, chain) as market:
        orders, request, _ = await sold(market)
        await market.mine()
        assert await market.status(request) == ("open", 6)
    chain.reorganise(1)
    chain.mine()
    chain.mine()
    async with a_market(database_url, chain) as market:
        await market.follower.advance()
        assert await market.status(request) == ("open", 10)
        assert await market.status(orders[0]) == ("open", 10)


async def test_a_long_history_is_read_in_parts_and_nothing_is_published_meanwhile(database_url):
    chain = ready_chain()
    for _ in range(3 * BLOCKS_READ_SINGLY):
        chain.mine()
    async with a_market(database_url, chain) as market:
        with pytest.raises(CatchingUp):
            await market.follower.caught_up()
        assert (await market.send(app_order())).status_code == 500
        await market.follower.advance()
        assert market.follower.at == chain._blocks[-1].head
        assert (await market.get("/categories/0")).json()["workClockTimeRef"] == 300
        await market.published(app_order())


async def test_blocks_read_twice_change_nothing(database_url):
    """The same events again, as after a kill between two blocks: the same book."""
    chain = ready_chain()
    async with a_market(database_url, chain) as market:
        orders, request, _ = await sold(market)
        await market.mine()
        before = [await market.status(each) for each in (*orders, request)]
        deals = (await market.get("/deals")).json()
        from poolhand.domain.market.following import BlockFacts, concerned
        from poolhand.market.changes import BlockChanges, _moved, _poorer, _used
        from poolhand.store.market import following

        head = market.follower.at
        events = await chain.events_of([head])
        known = concerned(events)
        facts = BlockFacts(consumed=await chain.consumed(known.matched, head))
        brought = BlockChanges(head, known, facts)

        def again(connection):
            changes = [
                *_used(connection, brought),
                *_moved(connection, brought),
                *_poorer(connection, brought),
            ]
            assert all(row.entry == after for row, after in changes)
            assert changes
            return following.marks(connection)[0]

        await market.database.read(again)
        assert before == [await market.status(each) for each in (*orders, request)]
        assert deals == (await market.get("/deals")).json()


async def test_a_chain_that_goes_away_in_the_middle_leaves_the_book_whole(market):
    orders, request, _ = await sold(market)
    market.chain.mine()
    for stop in range(1, 6):
        left = [stop]

        def fail(left=left):
            left[0] -= 1
            market.chain.outage = left[0] == 0

        market.chain.before_read = fail
        with pytest.raises(ChainUnreachable):
            await market.follower.advance()
        assert await market.status(request) == ("open", 10)
        assert (await market.get("/deals")).json()["count"] == 0
    market.chain.before_read = lambda: None
    market.chain.outage = False
    await market.follower.advance()
    assert await market.status(request) == ("open", 6)
    assert orders


async def test_an_order_published_while_a_block_comes_misses_nothing(market):
    """A match between the look at the chain and the write: the order is judged anew."""
    order, pool, request = app_order(volume=10), pool_order(), request_order(volume=5)
    await market.published(pool)
    looks = 0

    def match():
        nonlocal looks
        looks += 1
        if looks == 2:  # head was told, facts are read next
            market.chain.before_read = lambda: None
            market.match(order, pool, request, 2)
            market.chain.mine()

    market.chain.before_read = match
    answer = await market.send(order)
    assert answer.json()["published"]["remaining"] in (8, 10)
    await market.follower.advance()
    assert await market.status(order) == ("open", 8)
    assert (await market.get(PATHS[OrderSort.APP], app=str(APP))).json()["count"] == 1


class MovingChain(FakeMarketChain):
    """Something happens between its answer and what is made of it, once."""

    meanwhile = None

    async def order_facts(self, claims, at):
        found = await super().order_facts(claims, at)
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            await act()
        return found


async def test_an_order_is_judged_anew_when_the_book_has_moved_on(database_url):
    """The block that matches it is followed between the look at the chain and the write."""
    chain = ready_chain(MovingChain())
    async with a_market(database_url, chain) as market:
        order, pool, request = app_order(volume=10), pool_order(), request_order(volume=5)

        async def block():
            market.match(order, pool, request, 4)
            await market.mine()

        chain.meanwhile = block
        assert (await market.published(order))["remaining"] == 6
        assert await market.status(order) == ("open", 6)
