"""A market with 100,000 open orders: how long lists take, how fast signed orders are published.

The program itself is asked over HTTP, on Anvil with the real contracts and SQLite. Each publisher
has a connection, a wallet and an app of its own, and asks for a challenge before each order, as
iExec's SDK does; orders are signed beforehand. Processor time of the market's process stands beside
what a clock says: a machine that does other things, too, makes only the latter longer.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode, urlsplit

import psutil
from coincurve import PrivateKey

from bench.figures import Sample
from bench.frame import Job, Keys
from bench.keep_alive import Line, line_to
from bench.leaving import left_the_book
from bench.made_up_book import APP, BUYER, DATASET, POOL, TAGS, address, fill
from poolhand.chain import connect
from poolhand.devnet.accounts import DEPLOYER, derive
from poolhand.devnet.artifacts import DEFAULT_CACHE, ensure
from poolhand.devnet.children import Child
from poolhand.devnet.contracts import DeployedContracts, deploy
from poolhand.devnet.node import Anvil
from poolhand.devnet.ports import free_port
from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.challenges import challenge_digest
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import CreateApp
from poolhand.domain.orders.model import AppOrder, Salt
from poolhand.domain.tag import NO_TAG
from poolhand.domain.units import NanoRlc
from poolhand.keys.wallet import Wallet
from poolhand.settings.chain import ChainSettings
from poolhand.store.market.database import MarketDatabase
from poolhand.store.memory import MemoryJournal
from poolhand.wire.market_orders import market_order

ORDERS: Final = 100_000
PUBLISHED: Final = 4_000
PUBLISHERS: Final = 16
MATCHED: Final = 20
ROUNDS: Final = 20
"""How often each list is asked for."""
_LISTS: Final[tuple[tuple[str, dict[str, object]], ...]] = (
    ("apporders", {"app": address(APP, 3), "requester": address(BUYER, 1)}),
    ("apporders", {"app": "any", "minTag": TAGS[1], "maxTag": TAGS[2]}),
    ("datasetorders", {"dataset": "any", "app": address(APP, 7), "bulkOnly": "true"}),
    ("workerpoolorders", {}),
    ("workerpoolorders", {"category": 1}),
    ("workerpoolorders", {"category": 2, "minTag": TAGS[2], "requester": address(BUYER, 5)}),
    ("workerpoolorders", {"minTrust": 10, "app": address(APP, 3), "isAppStrict": "true"}),
    ("workerpoolorders", {"category": 3, "minVolume": 9_900}),
    ("workerpoolorders", {"minVolume": 10_000_000}),
    ("workerpoolorders", {"requester": "any", "maxTag": TAGS[0], "pageIndex": 20}),
    ("workerpoolorders", {"workerpool": address(POOL, 9)}),
    ("requestorders", {}),
    ("requestorders", {"app": address(APP, 9), "workerpool": "any"}),
    ("requestorders", {"category": 4, "maxTrust": 1, "pageSize": 100}),
    ("requestorders", {"dataset": address(DATASET, 4)}),
    ("requestorders", {"requester": address(BUYER, 9)}),
)
LISTS: Final = tuple(
    (name, {key: str(value) for key, value in asked.items()}) for name, asked in _LISTS
)
"""What is asked for: the lists of iExec's SDK, wide ones, and such as show nothing."""


@dataclass
class LoneBook:
    """The market's program, and a chain under it."""

    url: str
    rpc: str
    child: Child
    deployed: DeployedContracts
    apps: dict[Wallet, Address] = field(default_factory=dict)

    def cpu_seconds(self) -> float:
        times = psutil.Process(self.child.pid).cpu_times()
        return float(times.user + times.system)


async def keys(job: Job) -> Keys:
    wallets = [Wallet.from_key(_key(number)) for number in range(PUBLISHERS)]
    async with lone_book(job, wallets) as book:
        lists = await _lists(book, job)
        published = await _published(book, wallets, job.scaled(PUBLISHED))
        left = await _left(book, job)
    return {"market": {**lists, **published, **left}}


def _key(number: int) -> bytes:
    return bytes([77]) + number.to_bytes(31, "big")


@asynccontextmanager
async def lone_book(job: Job, wallets: list[Wallet]) -> AsyncIterator[LoneBook]:
    """Run Anvil and a market below a folder; its book is full, and each wallet has an app."""
    found = await asyncio.to_thread(ensure, DEFAULT_CACHE)
    async with Anvil(found.anvil, job.home / "chain", save_seconds=None) as node:
        deployed = await deploy(node.url, found, derive(DEPLOYER))
        apps = await _apps(node, deployed, wallets)
        await node.pace(1)
        database = f"sqlite:///{job.home / 'market.db'}"
        with closing(MarketDatabase(database)) as opened:
            await opened.write(lambda connection: fill(connection, job.scaled(ORDERS)))
        job.say(f"{job.scaled(ORDERS)} orders are in the book")
        port = free_port(0)
        settings = {
            "POOLHAND_RPC": node.ws_url,
            "POOLHAND_HUB": str(deployed.hub),
            "POOLHAND_CHAIN": "",
            "POOLHAND_CHAIN_ID": str(deployed.chain_id),
            "POOLHAND_MARKET_PORT": str(port),
            "POOLHAND_MARKET_DATABASE": database,
            "POOLHAND_MAX_REQUESTS": "0",
            "POOLHAND_MAX_OPEN_ORDERS": str(ORDERS),
            "POOLHAND_MAX_BOOK_REQUESTS": str(ORDERS),
        }
        child = Child("market", ("market", "serve", "--json"), settings, job.home / "logs")
        await child.start()
        try:
            await child.ready()
            yield LoneBook(f"http://127.0.0.1:{port}", node.ws_url, child, deployed, apps)
        finally:
            await child.stop()


async def _apps(
    node: Anvil, deployed: DeployedContracts, wallets: list[Wallet]
) -> dict[Wallet, Address]:
    settings = ChainSettings((node.ws_url,), deployed.hub, deployed.chain_id)
    deployer = Wallet.from_key(bytes(derive(DEPLOYER).key))
    async with connect(settings) as chain:
        sender, found = chain.sender(deployer, MemoryJournal()), {}
        for number, wallet in enumerate(wallets):
            made = CreateApp(wallet.address, f"app {number}", b"registry.test/a:1", bytes([7] * 32))
            app = (await sender.send(f"app:{number}", made)).created
            assert app is not None
            found[wallet] = app
    return found


async def _lists(book: LoneBook, job: Job) -> dict[str, float]:
    took, spent = [], book.cpu_seconds()
    async with line_to("127.0.0.1", urlsplit(book.url).port or 0) as line:
        for _ in range(ROUNDS):
            for name, asked in LISTS:
                words = urlencode({"chainId": str(book.deployed.chain_id), **asked})
                began = time.perf_counter()
                status, told = await line.ask("GET", f"/{name}?{words}")
                took.append((time.perf_counter() - began) * 1000)
                assert status == 200, told
    spent = book.cpu_seconds() - spent
    found = Sample.of(took)
    job.say(f"lists: {found.p50:.1f} ms p50, {found.p95:.1f} ms p95")
    return {
        "list_ms_p95": round(found.p95, 2),
        "list_cpu_ms": round(spent / len(took) * 1000, 2),
    }


async def _published(book: LoneBook, wallets: list[Wallet], orders: int) -> dict[str, float]:
    domain = order_domain(book.deployed.chain_id, book.deployed.hub)
    each = -(-orders // len(wallets))
    salts = itertools.count(1)
    signed = {}
    for wallet in wallets:
        made = [_order(book.apps[wallet], next(salts)) for _ in range(each)]
        signs = [wallet.sign_order(domain, order) for order in made]
        signed[wallet] = [
            json.dumps({"order": market_order(OrderSort.APP, order, sign)}).encode()
            for order, sign in zip(made, signs, strict=True)
        ]
    spent, began = book.cpu_seconds(), time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, (wallet, bodies) in enumerate(signed.items()):
            tasks.create_task(_publisher(book, _key(number), wallet.address, bodies))
    took, spent = time.perf_counter() - began, book.cpu_seconds() - spent
    total = each * len(wallets)
    return {
        "publish_per_s": round(total / took, 1),
        "publish_cpu_ms": round(spent / total * 1000, 2),
    }


async def _left(book: LoneBook, job: Job) -> dict[str, float]:
    key = bytes(derive(DEPLOYER).key)
    seller, chain_id = Wallet.from_key(key), book.deployed.chain_id
    async with line_to("127.0.0.1", urlsplit(book.url).port or 0) as line:

        async def publish(body: bytes) -> None:
            header = await _header(line, chain_id, PrivateKey(key), seller.address)
            path, headers = f"/apporders?chainId={chain_id}", {"authorization": header}
            status, told = await line.ask("POST", path, body, headers)
            assert status == 200, told

        some = job.scaled(MATCHED)
        found = await left_the_book(book.rpc, book.deployed, seller, line, publish, some)
    job.say(f"{some} matched orders left after {found.p95 * 1000:.0f} ms, p95")
    return {"leaves_book_s": round(found.p95, 3)}


def _order(app: Address, salt: int) -> AppOrder:
    z = ZERO_ADDRESS
    return AppOrder(app, NanoRlc(salt), 1, NO_TAG, z, z, z, Salt(salt.to_bytes(32, "big")))


async def _publisher(book: LoneBook, key: bytes, who: Address, bodies: list[bytes]) -> None:
    chain_id, signer = book.deployed.chain_id, PrivateKey(key)
    async with line_to("127.0.0.1", urlsplit(book.url).port or 0) as line:
        for body in bodies:
            header = await _header(line, chain_id, signer, who)
            path = f"/apporders?chainId={chain_id}"
            status, told = await line.ask("POST", path, body, {"authorization": header})
            assert status == 200, told


async def _header(line: Line, chain_id: int, signer: PrivateKey, who: Address) -> str:
    _, told = await line.ask("GET", f"/challenge?chainId={chain_id}&address={who}")
    digest = challenge_digest(chain_id, told["data"]["message"]["challenge"])
    raw = signer.sign_recoverable(digest, hasher=None)
    return f"0x{digest.hex()}_0x{(raw[:64] + bytes([27 + raw[64]])).hex()}_{who}"
