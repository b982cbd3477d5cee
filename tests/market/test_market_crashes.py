"""A market that dies at any commit, before it or after: started again it has the same book.

The scenario is played once without harm; then again for each of its commits, which is lost, or kept
while whoever waits for it never hears of it. The client and the chain go on as they would: what was
not answered is sent again.
"""

from __future__ import annotations

import asyncio
import shutil

import pytest
from market_world import (
    APP,
    BUYER,
    PATHS,
    POOL_OWNER,
    SIGNERS,
    a_market,
    app_order,
    hash_of,
    pool_order,
    ready_chain,
    request_order,
)
from sqlalchemy import event, select

from poolhand.domain.market_events import OrderSort
from poolhand.domain.units import NanoRlc
from poolhand.store.market.schema import KINDS_TABLE, ORDERS_TABLE, UNDO


class Died(BaseException):
    """The process is no more."""


class Death:
    """Waits for one commit of a database's life.

    Attributes:
        commits: How many there were.
    """

    def __init__(self, at: int | None = None, *, kept: bool = False) -> None:
        self.at, self.kept, self.commits = at, kept, 0

    def watch(self, database) -> None:
        event.listen(database._engine, "commit", self._commit)

    def _commit(self, connection) -> None:
        raw = connection.connection.driver_connection
        before, connection.info["changes"] = connection.info.get("changes", 0), raw.total_changes
        if raw.total_changes == before:
            return  # a reader's
        if self.commits == self.at:
            self.at = None
            if self.kept:
                raw.commit()
            raise Died
        self.commits += 1


APPS = app_order(volume=5), app_order(volume=5, price=NanoRlc(1))
POOLS = pool_order(volume=5), pool_order(volume=5, price=NanoRlc(10))
REQUESTS = (
    request_order(volume=5),
    request_order(volume=5, app_max_price=NanoRlc(1)),
    request_order(volume=2, workerpool_max_price=NanoRlc(2)),
)
ORDERS_OF_ALL = (*APPS, *POOLS, *REQUESTS)


class Play:
    """The scenario, step by step, over as many lives of the market as it takes."""

    def __init__(self, url: str, death: Death) -> None:
        self.url, self.death, self.chain = url, death, ready_chain()
        self.chain.deposit(POOL_OWNER.address, 20)
        self.chain.deposit(BUYER.address, 30)
        self.chain.mine()
        self.deaths = 0

    def script(self):
        """Yield what happens on chain, if anything, and what the client then wants."""
        for order in ORDERS_OF_ALL:
            yield None, order
        yield self.matched, None
        yield self.closed, None
        yield self.forked, None
        yield self.poorer, None
        yield None, (OrderSort.APP, APPS[1])
        yield self.mined, APPS[1]

    def matched(self, market):
        market.match(APPS[0], POOLS[0], REQUESTS[0], 3)
        self.chain.mine()

    def closed(self, _):
        self.chain.close(OrderSort.APP, hash_of(APPS[0]), 5)
        self.chain.mine()

    def forked(self, market):
        self.chain.reorganise(2)
        market.match(APPS[0], POOLS[0], REQUESTS[0], 1)
        self.chain.mine()
        self.chain.create_category(3, "new", 60)
        self.chain.mine()

    def poorer(self, _):
        self.chain.withdraw(POOL_OWNER.address, 15)
        self.chain.withdraw(BUYER.address, 28)
        self.chain.mine()

    def mined(self, _):
        self.chain.mine()

    async def run(self):
        steps = list(self.script())
        while True:
            async with a_market(self.url, self.chain) as market:
                self.death.watch(market.database)
                try:
                    await self._go_on(market, steps)
                except Died:
                    self.deaths += 1
                    self.death = Death()
                    continue
                return await self.book(market)

    async def _go_on(self, market, steps):
        await market.follower.advance()
        while steps:
            on_chain, wanted = steps[0]
            if on_chain is not None:
                on_chain(market)
                steps[0] = None, wanted  # the chain does it once
                await market.follower.advance()
            if isinstance(wanted, tuple):
                await self._unpublish(market, *wanted)
            elif wanted is not None:
                await self._publish(market, wanted)
            steps.pop(0)

    async def _publish(self, market, order):
        answer = await market.send(order)
        done = answer.status_code == 200 or "already published" in answer.text
        assert done, answer.text

    async def _unpublish(self, market, sort, order):
        answer = await market.unpublish(sort, SIGNERS[sort], orderHash=str(hash_of(order)))
        assert answer.status_code == 200 or "is not published" in answer.text, answer.text

    async def book(self, market):
        found = {str(hash_of(order)): await market.status(order) for order in ORDERS_OF_ALL}
        for sort in OrderSort:
            asked = {"app": str(APP)} if sort is OrderSort.APP else {}
            asked |= {"dataset": "any"} if sort is OrderSort.DATASET else {}
            told = (await market.get(PATHS[sort], **asked)).json()
            found[sort] = told["count"], {row["orderHash"] for row in told["orders"]}
        found["deals"] = (await market.get("/deals")).json()
        found["categories"] = (await market.get("/categories")).json()
        found["metrics"] = (await market.get("/metrics")).json()
        return {**found, **await market.database.read(self.rows)}

    @staticmethod
    def rows(connection):
        """What is kept besides: counts, and how orders stood."""
        names = dict(connection.execute(select(ORDERS_TABLE.c.n, ORDERS_TABLE.c.order_hash)).all())
        undone = select(UNDO.c.block, UNDO.c.order_n, UNDO.c.status, UNDO.c.remaining)
        return {
            "kinds": sorted(connection.scalars(select(KINDS_TABLE.c.open_orders))),
            "undo": sorted(
                (block, names[n], status, left)
                for block, n, status, left in connection.execute(undone)
                if n in names
            ),
        }


def played(tables, folder, death):
    folder.mkdir()
    play = Play(f"sqlite:///{shutil.copyfile(tables, folder / 'market.db')}", death)
    return play, asyncio.run(play.run())


@pytest.mark.timeout(900)
def test_a_market_that_dies_at_any_commit_has_the_same_book(sqlite_file, tmp_path):
    life = Death()
    _, expected = played(sqlite_file, tmp_path / "whole", life)
    assert life.commits >= 12
    statuses = [expected[str(hash_of(order))] for order in ORDERS_OF_ALL]
    assert statuses == [("open", 4), ("open", 5), ("open", 4), ("dead", 5),
                        ("open", 4), ("dead", 5), ("dead", 2)]  # fmt: skip
    for at in range(life.commits):
        for kept in (False, True):
            death = Death(at, kept=kept)
            again, found = played(sqlite_file, tmp_path / f"{at}-{kept}", death)
            assert again.deaths == 1
            assert found == expected, (at, kept)
