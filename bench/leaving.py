"""How soon a matched order has left the book, from the moment at which its block can be read."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from typing import Final

from bench.figures import Sample
from bench.keep_alive import Line
from bench.orders import FREE, Market
from poolhand.chain import connect
from poolhand.devnet.contracts import DeployedContracts
from poolhand.devnet.rpc import NodeRpc
from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import Address
from poolhand.domain.market_events import OrderSort
from poolhand.domain.onchain import CreateApp, CreateWorkerpool
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import AppOrder, Signed
from poolhand.keys.wallet import Wallet
from poolhand.ports.chain import TransactionSender
from poolhand.settings.chain import ChainSettings
from poolhand.store.memory import MemoryJournal
from poolhand.wire.market_orders import market_order

LOOK: Final = 0.005
"""Seconds between two looks at node and market."""


async def left_the_book(
    rpc: str,
    deployed: DeployedContracts,
    seller: Wallet,
    line: Line,
    publish: Callable[[bytes], Awaitable[None]],
    deals: int,
) -> Sample:
    """Publish app orders, match each, and return the seconds until the market shows it filled.

    Args:
        rpc: Of the node.
        deployed: Contracts of the chain.
        seller: Sells app and pool, and buys, for nothing: all that costs is gas.
        line: To the market.
        publish: Puts an order of the seller, as JSON, into the book.
        deals: How many.
    """
    took, path = [], f"chainId={deployed.chain_id}"
    async with (
        connect(ChainSettings((rpc,), deployed.hub, deployed.chain_id)) as chain,
        NodeRpc(rpc) as node,
    ):
        sender = chain.sender(seller, MemoryJournal())
        market = await _market(sender, deployed, seller)
        for number in range(deals):
            call = market.bag(1, 1, number + 1)
            await publish(_body(call.app))
            name = order_hash(market.domain, call.app.order)
            blocks = asyncio.create_task(_blocks(node))
            sent = asyncio.create_task(sender.send(f"deal:{number}", call))
            gone = await _gone(line, f"/apporders/{name}?{path}")
            block = (await sent).block
            blocks.cancel()
            took.append(max(0.0, gone - _SEEN[block]))
    return Sample.of(took)


_SEEN: Final[dict[int, float]] = {}
"""When each block could be read first."""


async def _blocks(node: NodeRpc) -> None:
    while True:
        _SEEN.setdefault(int(await node.call("eth_blockNumber"), 16), time.perf_counter())
        await asyncio.sleep(LOOK)


async def _gone(line: Line, path: str) -> float:
    while True:
        _, told = await line.ask("GET", path)
        if told["status"] != "open":
            return time.perf_counter()
        await asyncio.sleep(LOOK)


def _body(app: Signed[AppOrder]) -> bytes:
    return json.dumps({"order": market_order(OrderSort.APP, app.order, app.signature)}).encode()


async def _market(sender: TransactionSender, deployed: DeployedContracts, seller: Wallet) -> Market:
    made = CreateApp(seller.address, "sold", b"registry.test/sold:1", bytes([9] * 32))
    app = (await sender.send("app", made)).created
    pool = (await sender.send("pool", CreateWorkerpool(seller.address, "lone"))).created
    assert isinstance(app, Address)
    assert isinstance(pool, Address)
    domain = order_domain(deployed.chain_id, deployed.hub)
    return Market(domain, app, pool, seller, seller, FREE)
