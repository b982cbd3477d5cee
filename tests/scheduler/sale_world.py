"""A pool on a chain in memory that sells itself in a market, asked without a socket."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.eip712 import order_domain
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.eip712 import order_hash
from poolhand.market.assembly import MarketWorld, assemble
from poolhand.market.pool_register import PoolRegister
from poolhand.settings.chain import ChainSettings
from poolhand.settings.market import MarketSettings
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.asgi import application
from poolhand.transport.clock import SeededEntropy
from poolhand.transport.market_client import MarketClient

sys.path.insert(0, str(Path(__file__).parents[1] / "network"))
URL, POOL_URL = "http://market.test", "http://pool.test"
SPINS = 100_000


class Line(httpx.AsyncBaseTransport):
    """The way to a market: it can be down, and hold a request for ever, before or after it acts.

    ``paths`` has what was asked for, ``open`` how many answers are waited for.
    """

    def __init__(self, app) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)
        self.is_down, self.asked, self.holds, self.acts, self.held = False, 0, None, False, False
        self.paths, self.open = [], 0

    async def handle_async_request(self, request):
        self.asked += 1
        self.paths.append(request.url.path)
        self.open += 1
        try:
            return await self._answered(request, is_held=self.asked == self.holds)
        finally:
            self.open -= 1

    async def _answered(self, request, *, is_held):
        if self.is_down:
            raise httpx.ConnectError("no market", request=request)
        if is_held and not self.acts:
            await self._hold()
        answer = await self._inner.handle_async_request(request)
        if is_held:
            await self._hold()
        return answer

    async def _hold(self):
        self.held = True
        await asyncio.Event().wait()


class PoolDoor(httpx.AsyncBaseTransport):
    """The way from the market to the pool's public API; it can be shut, break or lie."""

    def __init__(self, world) -> None:
        self.world, self.is_shut, self.asked = world, False, 0
        self.breaks, self.lies = None, {}
        self._apis = {}

    async def handle_async_request(self, request):
        self.asked += 1
        if self.breaks:
            raise self.breaks
        if self.is_shut:
            raise httpx.ConnectError("nobody there", request=request)
        answer = await httpx.ASGITransport(self._api()).handle_async_request(request)
        if not self.lies:
            return answer
        return httpx.Response(200, json={**json.loads(await answer.aread()), **self.lies})

    def _api(self):
        """Return the pool's API, made once for each life: that takes longer than its answers."""
        scheduler = self.world.scheduler
        if scheduler not in self._apis:
            self._apis[scheduler] = application("Poolhand pool", scheduler.api(POOL_URL))
        return self._apis[scheduler]


class SaleMarket:
    """A market over its own chain in memory, which knows the pool and its owner's stake."""

    def __init__(self, world, database, app, follower, chain) -> None:
        self.world, self.database, self.follower, self.chain = world, database, follower, chain
        self.line, self.app = Line(app), app
        self.http = httpx.AsyncClient(transport=self.line, base_url=URL)
        facts = world.chain.facts
        self.domain = order_domain(facts.chain_id, facts.hub)
        self.client = MarketClient(self.http, URL, self.domain)

    async def shown(self):
        """Return the open orders of the pool by hash, whatever the line is like."""
        transport = httpx.ASGITransport(self.app)
        asked = {"chainId": "31337", "workerpool": str(self.world.workerpool)}
        async with httpx.AsyncClient(transport=transport, base_url=URL) as http:
            told = (await http.get("/workerpoolorders", params=asked)).json()
        assert told["ok"], told
        return {each["orderHash"]: each for each in told["orders"]}

    async def follow(self):
        """Bring the market's chain to what the pool's chain has of orders and stake."""
        owner, state = self.world.owner.address, self.world.chain.state
        free = state.stake_of(owner) - self.chain.state.stakes.get(owner, 0)
        if free > 0:
            self.chain.deposit(owner, free)
        elif free < 0:
            self.chain.withdraw(owner, -free)
        for each in self.world.scheduler.sale.book.orders:
            name, used = each.order_hash, state.consumed.get(each.order_hash, 0)
            if used >= each.signed.order.volume:
                if self.chain.state.consumed.get(name, 0) < used:
                    self.chain.close(OrderSort.WORKERPOOL, name, used)
            else:
                self.chain.state.consumed[name] = used
        self.chain.mine()
        await self.follower.advance()

    def hash_of(self, order):
        return order_hash(self.domain, order)


@asynccontextmanager
async def market_for(world, folder):
    facts = world.chain.facts
    chain = FakeMarketChain()
    chain.register(OrderSort.WORKERPOOL, world.workerpool, world.owner.address)
    chain.create_category(0, "XS", 300)
    chain.deposit(world.owner.address, world.chain.state.stake_of(world.owner.address))
    chain.mine()
    database = MarketDatabase(f"sqlite:///{folder}/market.db")
    try:
        database.claim(facts.chain_id, facts.hub)
        known = MarketWorld(chain, facts, chain, entropy=SeededEntropy(7))
        settings = MarketSettings(ChainSettings(("memory://",), facts.hub, 31337), most_requests=0)
        door, moment = PoolDoor(world), [1_700_000_000_000]
        http = httpx.AsyncClient(transport=door)

        def again():
            return PoolRegister(chain, facts, database, http, lambda: moment[0])

        register = again()
        app, follower = assemble(known, database, settings, register)
        await follower.open()
        market = SaleMarket(world, database, app, follower, chain)
        market.register, market.door, market.moment = register, door, moment
        market.again = again
        yield market
        await market.http.aclose()
    finally:
        database.close()


async def passes(world, market, seconds=8):
    """Let blocks pass, then the pool do all that it does of itself in its market."""
    for _ in range(seconds):
        await world.step()
    await quiet(market)


async def quiet(market):
    """Let the pool and its market speak until neither has anything to say."""
    still = 0
    for _ in range(SPINS):
        await asyncio.sleep(0.001)  # the market's database is a thread
        stalls = market.world.scheduler.sale.stalls
        works = market.line.open or any(_works(each) for each in stalls)
        still = 0 if works else still + 1
        if still > 5 or market.line.held:
            return
    raise AssertionError("they never stopped")


def _works(stall):
    """Whether the pool speaks to a market; one that is away it asks again when time has passed."""
    return stall._busy.locked() or (stall._asked.is_set() and not stall.trouble)
