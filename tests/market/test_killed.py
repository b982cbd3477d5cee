"""The market's own process, killed in the middle of what it does: the same book as one that lived.

Two markets follow one chain and are told the same orders; one of them is killed while it publishes,
while it follows a match and while it turns back at a fork.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import httpx
import pytest
from market_world import salt
from test_real_contracts import Client

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from hub_world import Market, World

from chain_fixtures import WALLETS, anvil, deployed_chain  # noqa: F401 - fixtures
from poolhand.chain import connect
from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.orders.model import AppOrder, Signed
from poolhand.domain.tag import NO_TAG
from poolhand.domain.units import NanoRlc

pytestmark = [pytest.mark.chain, pytest.mark.timeout(600)]
LISTS = {
    "apporders": {"app": "any"}, "datasetorders": {"dataset": "any"},
    "workerpoolorders": {}, "requestorders": {"workerpool": "any"},
    "deals": {}, "categories": {}, "metrics": {},
}  # fmt: skip


class Program:
    """``poolhand market serve``, as often as it takes."""

    def __init__(self, node, url: str) -> None:
        self.node, self.database, self.process = node, url, None
        self.http: httpx.AsyncClient | None = None

    async def start(self) -> None:
        told = {
            "POOLHAND_RPC": self.node.ws_url,
            "POOLHAND_HUB": str(self.node.contracts.hub),
            "POOLHAND_CHAIN": "",
            "POOLHAND_CHAIN_ID": "31337",
            "POOLHAND_MARKET_PORT": "0",
            "POOLHAND_MARKET_DATABASE": self.database,
            "POOLHAND_MAX_REQUESTS": "0",
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "poolhand", "market", "serve", "--json",
            env={**os.environ, **told}, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        line = await self.process.stdout.readline()
        self.http = httpx.AsyncClient(base_url=json.loads(line)["url"], timeout=60)

    async def kill(self) -> None:
        if self.http is None:
            return  # it was never started
        self.process.kill()
        await self.process.wait()
        await self.http.aclose()

    async def book(self, block: str) -> dict:
        """Return all that it shows, once it is at a block, by hash: a fork has the same numbers."""
        chain = {"chainId": "31337"}
        while True:
            at = (await self.http.get("/overview", params=chain)).json()["block"]
            if at is not None and at["hash"] == block:
                break
            await self.node.rpc("eth_blockNumber")
        found = {}
        for name, asked in LISTS.items():
            found[name] = (await self.http.get(f"/{name}", params={**chain, **asked})).json()
            for row in found[name].get("orders", ()):
                row.pop("publicationTimestamp")
        for name in LISTS:
            if "orders" in found[name]:
                found[name]["orders"].sort(key=lambda row: row["orderHash"])
        return found


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def two_databases(request, tmp_path):
    if request.param == "sqlite":
        return [f"sqlite:///{tmp_path / name}.db" for name in ("killed", "whole")]
    return [request.getfixturevalue("postgres"), f"sqlite:///{tmp_path / 'whole'}.db"]


async def test_a_killed_market_shows_the_book_of_one_that_lived(anvil, two_databases):  # noqa: F811
    killed, whole = (Program(anvil, url) for url in two_databases)
    try:
        async with connect(anvil.settings()) as chain:
            sender = lambda wallet: anvil.sender(chain, wallet)  # noqa: E731 - as World wants it
            world = World(chain.hub, chain.watcher, list(WALLETS), sender, None, None)
            contracts = await Market.open(world)
            await killed.start()
            await whole.start()
            await _published(anvil, world, contracts, killed, whole)
            block = await _matched(anvil, world, contracts, killed, whole)
        await _turned_back(anvil, block, killed, whole)  # nobody is left who sends the match again
    finally:
        await killed.kill()
        await whole.kill()


async def same_book(node, killed, whole):
    block = (await node.rpc("eth_getBlockByNumber", "latest", False))["hash"]
    expected = await whole.book(block)
    assert await killed.book(block) == expected
    return expected


async def _published(node, world, contracts, killed, whole):
    async def both_publish(signed, wallet, steps):
        answer = await Client(whole.http, world.domain).publish(signed, wallet)
        assert answer.status_code == 200, answer.text
        sent = asyncio.create_task(Client(killed.http, world.domain).publish(signed, wallet))
        if steps is not None:
            for _ in range(steps):
                await node.rpc("eth_blockNumber")
            await killed.kill()
        (told,) = await asyncio.gather(sent, return_exceptions=True)
        if steps is None:
            assert told.status_code == 200, told.text
            return
        await killed.start()
        again = await Client(killed.http, world.domain).publish(signed, wallet)
        known = "already published" in again.text
        assert known or again.status_code == 200, again.text
        assert known or isinstance(told, Exception)  # what was told is kept

    z = ZERO_ADDRESS
    for steps in (None, 0, 6, 12, 18, 24):
        order = AppOrder(contracts.app, NanoRlc(0), 9, NO_TAG, z, z, z, salt())
        signed = Signed(order, world.owner.sign_order(world.domain, order))
        await both_publish(signed, world.owner, steps)
    assert (await same_book(node, killed, whole))["apporders"]["count"] == 6


async def _matched(node, world, contracts, killed, whole):
    orders = contracts.orders(dataset=True, tasks=3)
    for program in (killed, whole):
        client = Client(program.http, world.domain)
        for signed in (orders.app, orders.dataset, orders.workerpool):
            assert (await client.publish(signed, world.owner)).status_code == 200
        assert (await client.publish(orders.request, world.requester)).status_code == 200
    receipt = await world.send(world.requester, orders)
    await killed.kill()
    await killed.start()
    found = await same_book(node, killed, whole)
    assert (found["deals"]["count"], found["requestorders"]["count"]) == (1, 0)
    return receipt.block


async def _turned_back(node, block, killed, whole):
    depth = int(await node.rpc("eth_blockNumber"), 16) - block + 1
    await node.rpc("anvil_reorg", depth, [])
    await node.rpc("evm_mine")  # Anvil tells nobody of a fork before there is a new block
    await killed.kill()
    await killed.start()
    found = await same_book(node, killed, whole)
    assert (found["deals"]["count"], found["requestorders"]["count"]) == (0, 1)
