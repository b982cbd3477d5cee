"""The market's pages: one of a long book, and a thousand that are open while blocks come.

The service runs in this process, on a socket, over a chain in memory; who reads is another process.
Open pages are those of real life, pessimistically: four in ten are the overview, the others are 300
distinct filters of the books. A block comes each second. What is measured is this process's share
of one core, all of the market included.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import httpx

from bench.figures import Sample
from bench.frame import Job, Keys
from bench.made_up_book import put_all
from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.ids import ZERO_ADDRESS, Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus
from poolhand.domain.orders.model import Salt, WorkerpoolOrder
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.market.assembly import MarketWorld, assemble
from poolhand.market.follower import Follower
from poolhand.ports.chain import HubFacts
from poolhand.settings.chain import ChainSettings
from poolhand.settings.market import MarketSettings
from poolhand.store.market.database import BookConnection, MarketDatabase
from poolhand.transport.asgi import bind, port_of, serve_on

ORDERS: Final = 100_000
OPEN: Final = 1_000
DISTINCT: Final = 300
BLOCKS: Final = 20
ROUNDS: Final = 200
CHAIN_ID: Final = 31337
HUB: Final = Address(b"\x0b" * 20)
READERS: Final = """
import asyncio, sys

coming = asyncio.Semaphore(32)  # a service cuts who waits where very many come at once

async def read(port, path):
    async with coming:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n".encode())
        assert b" 200 " in await reader.readline()
    print("open", flush=True)
    while await reader.read(65536):
        pass

async def main(port, paths):
    await asyncio.gather(*(read(port, path) for path in paths))

asyncio.run(main(int(sys.argv[1]), sys.stdin.read().split()))
"""


@dataclass
class Service:
    """A market with a long book."""

    chain: FakeMarketChain
    follower: Follower
    url: str
    port: int


def order_number(number: int) -> BookOrder:
    """Return an order of the book; nobody checks signatures that are in it already."""
    z, pool = ZERO_ADDRESS, Address((number % 500 + 1).to_bytes(20, "big"))
    price, salt = NanoRlc(10**6 + number * 7919 % 10**9), Salt(number.to_bytes(32, "big"))
    order = WorkerpoolOrder(pool, price, 10, NO_TAG, number % 5, Trust(1), z, z, z, salt)
    name = OrderHash(number.to_bytes(32, "big"))
    return BookOrder(name, order, bytes(65), pool, BookStatus.OPEN, 10, 1_700_000_000_000 + number)


def fill(connection: BookConnection, first: int, last: int) -> None:
    """Put orders into the book."""
    put_all(connection, map(order_number, range(first, last)))


async def keys(job: Job) -> Keys:
    """Return ``pages``: milliseconds of a page, and the share of a core of a thousand open ones."""
    database = MarketDatabase(f"sqlite:///{job.home / 'market.db'}")
    database.claim(CHAIN_ID, HUB)
    chain = FakeMarketChain()
    for index, name in enumerate(("XS", "S", "M", "L", "XL")):
        chain.create_category(index, name, 300 * (index + 1))
    chain.mine()
    nobody = Address(b"\x01" * 20)
    facts = HubFacts(CHAIN_ID, HUB, None, nobody, nobody, nobody, 200_000)
    settings = MarketSettings(ChainSettings(("memory://",), HUB, CHAIN_ID), most_requests=0)
    app, follower = assemble(MarketWorld(chain, facts, chain), database, settings)
    await follower.open()
    await follower.advance()
    total = job.scaled(ORDERS)
    for first in range(0, total, 5_000):
        await database.write(lambda work, at=first: fill(work, at, min(at + 5_000, total)))
    job.say(f"{total} orders in the book")
    listener = bind("127.0.0.1", 0)
    port = port_of(listener)
    serving = asyncio.create_task(serve_on(app, listener))
    try:
        service = Service(chain, follower, f"http://127.0.0.1:{port}", port)
        page = await orderbook(service, job)
        share = await live(service, job)
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        database.close()
    return {"pages": {"orderbook_ms_p95": round(page.p95, 1), "live_core_share": round(share, 3)}}


async def orderbook(service: Service, job: Job) -> Sample:
    """Return the milliseconds of a page of the book, whatever filter it has."""
    took = []
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        await http.get(service.url + "/pages")  # routes and the client are made by the first asking
        for number in range(job.scaled(ROUNDS)):
            began = time.perf_counter()
            answer = await http.get(service.url + filtered(number))
            took.append((time.perf_counter() - began) * 1000)
            assert answer.status_code == 200
    return Sample.of(took)


def filtered(number: int) -> str:
    """Return the path of one of many distinct pages of the book."""
    asked = (
        f"category={number % 5}&pageIndex={number % 7}",
        f"workerpool=0x{number % 500 + 1:040x}",
        f"category={number % 5}&minVolume={number % 10 + 1}",
    )[number % 3]
    return f"/pages/orders/workerpool?{asked}"


async def live(service: Service, job: Job) -> float:
    """Return this process's share of one core while pages are open and blocks come."""
    count, blocks = job.scaled(OPEN), job.scaled(BLOCKS)
    pages = [
        "/pages" if number % 10 < 4 else filtered(number % DISTINCT) for number in range(count)
    ]
    paths = [each.replace("/pages", "/pages/live", 1) for each in pages]
    readers = await asyncio.create_subprocess_exec(
        sys.executable, "-c", READERS, str(service.port),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    try:
        assert readers.stdin is not None
        assert readers.stdout is not None
        readers.stdin.write("\n".join(paths).encode())
        readers.stdin.close()
        for _ in range(count):
            assert await readers.stdout.readline() == b"open\n"
        job.say(f"{count} pages are open")
        return await share_of(service, blocks)
    finally:
        with suppress(ProcessLookupError):
            readers.kill()
        await readers.wait()


async def share_of(service: Service, blocks: int) -> float:
    """Let blocks come, one a second; returns processor time by time."""
    began, spent = time.perf_counter(), time.process_time()
    for number in range(blocks):
        service.chain.mine()
        await service.follower.advance()
        await asyncio.sleep(max(0.0, began + number + 1 - time.perf_counter()))
    return (time.process_time() - spent) / (time.perf_counter() - began)
