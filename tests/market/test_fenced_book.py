"""On a server a market that was forgotten writes nothing beside the one that came after it."""

from __future__ import annotations

import pytest
from market_world import a_market, app_order, ready_chain

from poolhand.store.market import pools
from poolhand.store.market.database import MarketDatabase
from poolhand.store.market.errors import BookLocked, BookLost, BookUnwritable
from postgres_server import PostgresServer

pytestmark = pytest.mark.postgres


@pytest.fixture
def server():
    made = PostgresServer()
    yield made
    made.stop()


def settle(connection):
    pools.longest_unasked(connection, 0, 1)


async def test_a_market_whose_lock_the_server_forgot_writes_nothing_beside_another(server):
    url = server.database()
    first = MarketDatabase(url)
    try:
        with pytest.raises(BookLocked):
            MarketDatabase(url)
        server.kill()
        server.start()
        with pytest.raises(BookUnwritable):  # its session ended with the server
            await first.write(settle)
        await first.write(settle)  # nobody has come: it goes on
        second = MarketDatabase(url)
        try:
            with pytest.raises(BookLost, match="another market has taken"):
                await first.write(settle)
            await second.write(settle)
            with pytest.raises(BookLost):
                await first.write(settle)
        finally:
            second.close()
    finally:
        first.close()


async def test_who_follows_the_chain_for_a_lost_book_ends(server):
    url, chain = server.database(), ready_chain()
    async with a_market(url, chain) as market:
        await market.published(app_order())
        server.kill()
        server.start()
        with pytest.raises(BookUnwritable):
            await market.database.write(settle)
        second = MarketDatabase(url)
        chain.mine()
        with pytest.raises(BookLost):
            await market.follower.advance()
        assert (await market.send(app_order())).status_code == 500
        second.close()
