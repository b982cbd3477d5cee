"""A real market beside the requester's world: what is on the fake chain is for sale there."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from asked_registry import registry
from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.ids import ZERO_ADDRESS, Address, FixedBytes
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import CreateWorkerpool, Deposit
from poolhand.domain.orders.model import AppOrder, DatasetOrder, Salt, Signed, WorkerpoolOrder
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.market.assembly import MarketWorld, assemble
from poolhand.settings.chain import ChainSettings
from poolhand.settings.market import MarketSettings
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.clock import SeededEntropy
from poolhand.transport.market_client import MarketClient
from requester_market import RLC, client

SELLER = Wallet.from_key(bytes([8] * 32))
"""Owns apps and datasets."""
RIVAL = Wallet.from_key(bytes([7] * 32))
"""Owns a workerpool of its own."""
STALL_URL = "http://market.test"
SALTS = count(1)


@dataclass
class Stall:
    """A market, and who sells in it.

    Attributes:
        world: The requester's.
        book: The chain that the market follows; ``sync`` brings it up to the world's.
    """

    world: Any
    book: FakeMarketChain
    follower: Any
    client: MarketClient
    rival: Address
    database: MarketDatabase

    async def sync(self) -> None:
        state = self.world.chain.state
        for sort, assets in (
            (OrderSort.APP, state.apps),
            (OrderSort.DATASET, state.datasets),
            (OrderSort.WORKERPOOL, state.pools),
        ):
            for address, asset in assets.items():
                if address not in self.book.state.owners:
                    self.book.register(sort, address, asset.owner)
        self.book.state.stakes.update(state.stake)
        self.book.state.consumed.update(state.consumed)
        self.book.mine()
        await self.follower.advance()

    async def app(self) -> Address:
        """Somebody else's app."""
        return (
            await self.world.requester(SELLER).deploy_app("127.0.0.1:5000/poolhand/words:1.0")
        ).address

    async def sell_app(self, app: Address, price: int = 0, **changes: Any) -> Signed[AppOrder]:
        z = ZERO_ADDRESS
        order = AppOrder(app, NanoRlc(price), 100, NO_TAG, z, z, z, salt())
        return await self.publish(replace(order, **changes), SELLER)

    async def dataset(self) -> Address:
        """Somebody else's dataset."""
        seller, nothing = self.world.requester(SELLER), FixedBytes(bytes(32))
        return (await seller.deploy_dataset("https://example.com/d", checksum=nothing)).address

    async def sell_dataset(
        self, data: Address, price: int = 0, **changes: Any
    ) -> Signed[DatasetOrder]:
        z = ZERO_ADDRESS
        order = DatasetOrder(data, NanoRlc(price), 100, NO_TAG, z, z, z, salt())
        return await self.publish(replace(order, **changes), SELLER)

    async def sell_pool(
        self, price: int = RLC, by: Wallet | None = None, **changes: Any
    ) -> Signed[WorkerpoolOrder]:
        z, owner = ZERO_ADDRESS, by or self.world.pool.owner
        pool = self.rival if owner == RIVAL else self.world.pool.workerpool
        order = WorkerpoolOrder(pool, NanoRlc(price), 10, NO_TAG, 0, Trust(1), z, z, z, salt())
        return await self.publish(replace(order, **changes), owner)

    async def publish(self, order: Any, wallet: Wallet) -> Signed[Any]:
        await self.sync()
        signed = Signed(order, wallet.sign_order(self.world.chain.domain, order))
        await self.client.publish(signed, wallet)
        return signed


def salt() -> Salt:
    return Salt(next(SALTS).to_bytes(32, "big"))


async def make_stall(world: Any, folder: Any, *, pool_known: bool = False, **more: Any) -> Stall:
    """Make a market; the world's requesters know it, and no pool if not ``pool_known``.

    ``more`` are apps by host, as ``requester_market.client`` takes them.
    """
    facts, chain = world.chain.facts, FakeMarketChain()
    database = MarketDatabase(f"sqlite:///{folder / 'book.db'}")
    database.claim(facts.chain_id, facts.hub)
    settings = MarketSettings(
        ChainSettings(("memory://",), facts.hub, facts.chain_id), most_requests=0
    )
    app, follower = assemble(
        MarketWorld(chain, facts, chain, entropy=SeededEntropy(7)), database, settings
    )
    await follower.open()
    mounts = {"pool_test": world.pool.app(), "127_0_0_1": registry(), **more}
    world.http = client(**mounts, market_test=app)
    world.settings = replace(
        world.settings,
        market_url=STALL_URL,
        pool_url=world.settings.pool_url if pool_known else None,
        pool_first=False,
    )
    for wallet in (SELLER, RIVAL):
        world.chain.fund(wallet.address, rlc=NanoRlc(1000 * RLC))
    rival = world.chain.sender(RIVAL)
    await rival.send("deposit", Deposit(NanoRlc(100 * RLC)))
    created = (await rival.send("pool", CreateWorkerpool(RIVAL.address, "rival"))).created
    stall = MarketClient(world.http, STALL_URL, world.chain.domain)
    return Stall(world, chain, follower, stall, created, database)


@asynccontextmanager
async def open_stall(world: Any, folder: Any, *, pool_known: bool = False, **more: Any):
    """Run a market for a while; the world is then as it was."""
    old = world.http
    stall = await make_stall(world, folder, pool_known=pool_known, **more)
    try:
        yield stall
    finally:
        await world.http.aclose()
        world.http = old
        stall.database.close()
