"""A market over a chain in memory, asked through its HTTP face without a socket."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import httpx

from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.eip712 import order_domain
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash, ResultHash, TaskId
from poolhand.domain.market.book import ORDER_CLASSES, sort_of, traits_of
from poolhand.domain.market.challenges import challenge_digest
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import EventKind
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import (
    AppOrder,
    DatasetOrder,
    RequestOrder,
    Salt,
    WorkerpoolOrder,
)
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.keys.wallet import Wallet
from poolhand.market.assembly import MarketWorld, assemble
from poolhand.market.pool_register import PoolRegister
from poolhand.ports.chain import HubFacts
from poolhand.settings.chain import ChainSettings
from poolhand.settings.market import MarketSettings
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.clock import SeededEntropy
from poolhand.wire.market_orders import market_order
from signing import sign_digest

CHAIN_ID = 31337
HUB = Address(b"\x0b" * 20)
FACTS = HubFacts(CHAIN_ID, HUB, None, *(Address(bytes([n] * 20)) for n in (1, 2, 3)), 200_000)
DOMAIN = order_domain(CHAIN_ID, HUB)
APP, DATASET, POOL = (Address(bytes([n] * 20)) for n in (0xA1, 0xD1, 0xB1))
SELLER, POOL_OWNER, BUYER, STRANGER = (Wallet.from_key(bytes([n] * 32)) for n in (1, 2, 3, 4))
PATHS = {sort: f"/{sort.value}orders" for sort in OrderSort}
CHAIN = {"chainId": str(CHAIN_ID)}
SALTS = count(1)


def salt() -> Salt:
    return Salt(next(SALTS).to_bytes(32, "big"))


def app_order(**changes: Any) -> AppOrder:
    order = AppOrder(
        APP, NanoRlc(0), 1000, NO_TAG, ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS, salt()
    )
    return replace(order, **changes)


def dataset_order(**changes: Any) -> DatasetOrder:
    order = DatasetOrder(
        DATASET, NanoRlc(0), 1000, NO_TAG, ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS, salt()
    )
    return replace(order, **changes)


def pool_order(**changes: Any) -> WorkerpoolOrder:
    limits = (ZERO_ADDRESS,) * 3
    order = WorkerpoolOrder(POOL, NanoRlc(0), 10, NO_TAG, 0, Trust(1), *limits, salt())
    return replace(order, **changes)


def request_order(**changes: Any) -> RequestOrder:
    order = RequestOrder(
        APP, NanoRlc(0), ZERO_ADDRESS, NanoRlc(0), ZERO_ADDRESS, NanoRlc(0), BUYER.address, 1,
        NO_TAG, 0, Trust(0), BUYER.address, ZERO_ADDRESS, "{}", salt(),
    )  # fmt: skip
    return replace(order, **changes)


SIGNERS = {
    OrderSort.APP: SELLER,
    OrderSort.DATASET: SELLER,
    OrderSort.WORKERPOOL: POOL_OWNER,
    OrderSort.REQUEST: BUYER,
}
MAKERS = {
    OrderSort.APP: app_order,
    OrderSort.DATASET: dataset_order,
    OrderSort.WORKERPOOL: pool_order,
    OrderSort.REQUEST: request_order,
}


def hash_of(order: Any) -> OrderHash:
    return order_hash(DOMAIN, order)


def refused(answer: httpx.Response, status: int, text: str) -> None:
    assert answer.status_code == status, answer.text
    assert answer.json() == {"ok": False, "error": text}


class PoolsLine(httpx.AsyncBaseTransport):
    """The way from the market to pools: what each answers, by path."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answers: dict[str, Any] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if request.url.path not in self.answers:
            raise httpx.ConnectError("nobody there", request=request)
        return httpx.Response(200, json=self.answers[request.url.path])


@dataclass
class Market:
    """A market, the chain under it, and a client."""

    chain: FakeMarketChain
    http: httpx.AsyncClient
    follower: Any
    database: MarketDatabase
    register: PoolRegister
    pools: PoolsLine
    clock: list[int] = field(default_factory=lambda: [1_700_000_000_000])

    async def get(self, path: str, **asked: Any) -> httpx.Response:
        return await self.http.get(path, params={**CHAIN, **asked})

    async def header(self, wallet: Wallet) -> str:
        told = (await self.get("/challenge", address=str(wallet.address))).json()["data"]
        digest = challenge_digest(CHAIN_ID, told["message"]["challenge"])
        return f"0x{digest.hex()}_0x{sign_digest(wallet, digest).hex()}_{wallet.address}"

    async def send(self, order: Any, by: Wallet | None = None, **changes: Any) -> httpx.Response:
        """Publish an order; ``changes`` are of its JSON."""
        sort = sort_of(order)
        wallet = by or SIGNERS[sort]
        members = market_order(sort, order, wallet.sign_order(DOMAIN, order))
        self.clock[0] += 1
        return await self.http.post(
            PATHS[sort],
            params=CHAIN,
            json={"order": {**members, **changes}},
            headers={"authorization": await self.header(wallet)},
        )

    async def published(self, order: Any, by: Wallet | None = None) -> dict[str, Any]:
        answer = await self.send(order, by)
        assert answer.status_code == 200, answer.text
        return answer.json()["published"]

    async def unpublish(self, sort: OrderSort, by: Wallet, **body: Any) -> httpx.Response:
        headers = {"authorization": await self.header(by)}
        return await self.http.put(PATHS[sort], params=CHAIN, json=body, headers=headers)

    async def status(self, order: Any) -> tuple[str, int] | None:
        answer = await self.get(f"{PATHS[sort_of(order)]}/{hash_of(order)}")
        if answer.status_code == 404:
            return None
        told = answer.json()
        return told["status"], told["remaining"]

    async def mine(self) -> None:
        self.chain.mine()
        await self.follower.advance()

    def match(
        self,
        app: Any,
        pool: Any,
        request: Any,
        size: int,
        dataset: Any = None,
        tag: Tag = NO_TAG,
        sponsor: Address | None = None,
    ) -> Deal:
        """Match orders on chain; the next block has the deal."""
        used = self.chain.state.consumed.get(hash_of(request), 0)
        name = deal_id(hash_of(request), used)
        resources = [
            Resource(traits_of(each).resource, SIGNERS[sort_of(each)].address, each.price)
            for each in (app, dataset, pool)
            if each is not None
        ]
        if dataset is None:
            resources.insert(1, Resource(ZERO_ADDRESS, ZERO_ADDRESS, NanoRlc(0)))
        deal = Deal(
            name, *resources, trust=Trust(1), category=pool.category, tag=tag,
            requester=request.requester, beneficiary=request.beneficiary, callback=ZERO_ADDRESS,
            params=request.params, start_time=UnixSeconds(0), bot_first=used, bot_size=size,
            worker_stake=NanoRlc(0), scheduler_percent=1, sponsor=sponsor or request.requester,
        )  # fmt: skip
        unused = OrderHash(bytes(32))
        names = (hash_of(app), hash_of(dataset) if dataset else unused, hash_of(pool))
        self.chain.match((*names, hash_of(request)), deal)
        return deal

    async def compute(self, deal: Deal) -> TaskId:
        """Let the first task of a deal be done by a stranger, a block for each step."""
        chain, agreed = self.chain, ResultHash(b"\x05" * 32)
        task = chain.initialize(deal, 0)
        await self.mine()
        chain.happen(EventKind.TASK_CONTRIBUTE, task, STRANGER.address, agreed)
        chain.happen(EventKind.TASK_CONSENSUS, task, None, agreed)
        await self.mine()
        chain.happen(EventKind.TASK_REVEAL, task, STRANGER.address)
        await self.mine()
        link = b'{"storage": "ipfs", "location": "https://results.example/r.zip"}'
        chain.happen(EventKind.TASK_FINALIZE, task, results=link)
        chain.pay(STRANGER.address, 750_000_000, task)
        chain.seize(BUYER.address, 1_500_000_005, task)
        await self.mine()
        return task


async def sold(market, *, size=4, dataset=False):
    """Publish one order of each and match ``size`` tasks of them."""
    orders = [app_order(volume=10), pool_order(volume=10)]
    orders += [dataset_order(volume=10)] if dataset else []
    request = request_order(volume=10, **({"dataset": DATASET} if dataset else {}))
    for order in (*orders, request):
        await market.published(order)
    deal = market.match(orders[0], orders[1], request, size, orders[2] if dataset else None)
    return orders, request, deal


def ready_chain(chain: FakeMarketChain | None = None) -> FakeMarketChain:
    """A chain on which everything to sell is registered."""
    chain = chain or FakeMarketChain()
    chain.register(OrderSort.APP, APP, SELLER.address)
    chain.register(OrderSort.DATASET, DATASET, SELLER.address)
    chain.register(OrderSort.WORKERPOOL, POOL, POOL_OWNER.address)
    chain.create_category(0, "XS", 300)
    chain.mine()
    return chain


def settings_of(**changes: Any) -> MarketSettings:
    chain = ChainSettings(("memory://",), HUB, CHAIN_ID)
    return MarketSettings(chain, **{"most_requests": 0, **changes})


@asynccontextmanager
async def a_market(
    url: str,
    chain: FakeMarketChain | None = None,
    clock: list[int] | None = None,
    **changes: Any,
):
    """Run a market on a database; again on the same one, it is the same market restarted.

    ``clock`` holds milliseconds since 1970, and where two clocks are told apart the steady one.
    """
    chain = chain or ready_chain()
    clock = [1_700_000_000_000] if clock is None else clock
    database = MarketDatabase(url)
    try:
        database.claim(CHAIN_ID, HUB)
        now, passed = (lambda: clock[0]), (lambda: clock[-1] / 1000)
        world = MarketWorld(chain, FACTS, chain, now, passed, SeededEntropy(7))
        pools = PoolsLine()
        outside = httpx.AsyncClient(transport=pools)
        register = PoolRegister(chain, FACTS, database, outside, world.now)
        app, follower = assemble(world, database, settings_of(**changes), register)
        await follower.open()
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://market") as http:
            yield Market(chain, http, follower, database, register, pools, clock)
    finally:
        database.close()


__all__ = ["ORDER_CLASSES"]
