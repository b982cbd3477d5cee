"""What a page costs does not grow with the book: counted in calls and in steps, not in time."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager

from bench.pages import fill
from market_world import APP, POOL, STRANGER, a_market
from sqlalchemy import event
from sqlalchemy.pool import Pool

PAGES = (
    "/pages",
    "/pages/orders/workerpool",
    "/pages/orders/workerpool?category=1&minTrust=1",
    "/pages/orders/workerpool?pageIndex=2",
    f"/pages/orders/workerpool?workerpool={POOL}",
    f"/pages/apps/{APP}",
    "/pages/pools",
    f"/pages/pools/{POOL}",
    f"/pages/accounts/{STRANGER.address}",
)
FEW, MANY = 600, 6000


class PageCosts:
    """Counts calls of Python in this thread, and steps of SQLite's machine in any."""

    def __init__(self):
        self.calls = self.steps = 0
        self.connections = []

    def connected(self, raw, record):
        self.connections.append(raw)

    def called(self, frame, what, arg):
        self.calls += what == "call"

    def stepped(self):
        self.steps += 1
        return 0

    @contextmanager
    def counting(self):
        self.calls = self.steps = 0
        for raw in self.connections:
            raw.set_progress_handler(self.stepped, 1)
        sys.setprofile(self.called)
        try:
            yield
        finally:
            sys.setprofile(None)
            for raw in self.connections:
                raw.set_progress_handler(None, 1)


@asynccontextmanager
async def a_long_market(folder, size):
    """A market with so many open orders, and what counts what it does."""
    costs = PageCosts()
    event.listen(Pool, "connect", costs.connected)
    try:
        async with a_market(f"sqlite:///{folder / f'{size}.db'}") as market:
            await market.follower.advance()
            await market.database.write(lambda work: fill(work, 0, size))
            yield market, costs
    finally:
        event.remove(Pool, "connect", costs.connected)


async def costs_of(folder, size):
    """Return calls and steps of each page, once it was made before."""
    found = {}
    async with a_long_market(folder, size) as (market, costs):
        for path in PAGES:
            await market.http.get(path)
            with costs.counting():
                answer = await market.http.get(path)
            assert answer.status_code == 200, path
            found[path] = costs.calls, costs.steps
    return found


async def test_a_page_of_a_book_ten_times_as_long_takes_no_more_calls_and_no_more_steps(tmp_path):
    few, many = await costs_of(tmp_path, FEW), await costs_of(tmp_path, MANY)
    for path in PAGES:
        for before, after in zip(few[path], many[path], strict=True):
            assert 0 < after <= 1.3 * before, (path, few[path], many[path])
