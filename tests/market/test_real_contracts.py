"""A market on the real contracts: what the chain says makes orders open, filled, dead or cancelled."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from market_world import salt, settings_of, sign_digest

sys.path.insert(0, str(Path(__file__).parents[1] / "contract"))

from hub_world import Group, Market, World

from chain_fixtures import WALLETS, anvil, deployed_chain  # noqa: F401 - fixtures
from poolhand.chain import connect
from poolhand.chain.encode import _app_tuple, function
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import ZERO_ADDRESS, Address
from poolhand.domain.market.book import sort_of
from poolhand.domain.market.challenges import challenge_digest
from poolhand.domain.market.requests import FIRST_PAUSE_OF_REQUEST, MatchQuota
from poolhand.domain.market.waits import WAITING_STEP
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import AppOrder, Signed
from poolhand.domain.tag import NO_TAG
from poolhand.domain.units import NanoRlc, Seconds
from poolhand.market.assembly import MarketWorld, assemble
from poolhand.market.matcher import Matcher
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.clock import ManualClock
from poolhand.transport.market_client import MarketClient
from poolhand.wire.market_orders import market_order

ASSET = "(address,uint256,uint256,bytes32,address,address,address,bytes32,bytes)"
OTHER = Address(b"\x44" * 20)
POOLS, BUYERS = Address(b"\xc1" * 20), Address(b"\xc2" * 20)
pytestmark = [pytest.mark.chain]


async def send(node, source, target, data):
    """Send from an account whose key we need not have."""
    await node.rpc("anvil_impersonateAccount", str(source))
    sent = {"from": str(source), "to": str(target), "data": "0x" + data.hex(), "gas": hex(10**6)}
    name = await node.rpc("eth_sendTransaction", sent)
    await node.rpc("evm_mine")
    receipt = await node.rpc("eth_getTransactionReceipt", name)
    assert receipt["status"] == "0x1"


class Client:
    """Somebody who publishes, and looks."""

    def __init__(self, http, domain):
        self.http, self.domain = http, domain
        self.chain = {"chainId": str(domain.chain_id)}

    async def publish(self, signed, wallet):
        sort = sort_of(signed.order)
        asked = {**self.chain, "address": str(wallet.address)}
        told = (await self.http.get("/challenge", params=asked)).json()["data"]
        digest = challenge_digest(self.domain.chain_id, told["message"]["challenge"])
        header = f"0x{digest.hex()}_0x{sign_digest(wallet, digest).hex()}_{wallet.address}"
        body = {"order": market_order(sort, signed.order, signed.signature)}
        return await self.http.post(
            f"/{sort.value}orders", params=self.chain, json=body, headers={"authorization": header}
        )

    async def status(self, signed):
        name = order_hash(self.domain, signed.order)
        path = f"/{sort_of(signed.order).value}orders/{name}"
        told = (await self.http.get(path, params=self.chain)).json()
        return told["status"], told["remaining"]


async def test_a_market_follows_the_real_contracts(anvil, tmp_path):  # noqa: F811 - a fixture
    database = MarketDatabase(f"sqlite:///{tmp_path / 'market.db'}")
    async with connect(anvil.settings()) as chain:
        sender = lambda wallet: anvil.sender(chain, wallet)  # noqa: E731 - as World wants it
        world = World(chain.hub, chain.watcher, list(WALLETS), sender, None, None)
        contracts = await Market.open(world)
        app, follower = assemble(
            MarketWorld(chain.market, chain.facts, chain.hub), database, settings_of()
        )
        await follower.open()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://market") as http:
            try:
                await _scenario(anvil, world, contracts, Client(http, world.domain), follower)
            finally:
                database.close()


async def _scenario(node, world, contracts, client, follower):
    orders = contracts.orders(dataset=True, tasks=3)
    four = (orders.app, orders.dataset, orders.workerpool, orders.request)
    signers = (world.owner, world.owner, world.owner, world.requester)
    await follower.advance()
    for signed, wallet in zip(four, signers, strict=True):
        answer = await client.publish(signed, wallet)
        assert answer.status_code == 200, answer.text
    answer = await client.publish(orders.app, world.requester)
    assert answer.json()["error"] == "order already published"
    categories = (await client.http.get("/categories", params=client.chain)).json()
    assert categories["count"] == len(await world.hub.categories())
    assert categories["categories"][0]["workClockTimeRef"] == 300

    receipt = await world.send(world.requester, orders)
    await follower.advance()
    for signed in four:
        assert await client.status(signed) == ("filled", 0)
    deal = (await client.http.get(f"/deals/{receipt.deals[0]}", params=client.chain)).json()
    assert (deal["volume"], deal["botSize"], deal["blockNumber"]) == (3, 3, receipt.block)
    assert deal["requestHash"] == str(order_hash(world.domain, orders.request.order))
    assert deal["transactionHash"] == str(receipt.tx_hash)

    await node.turn_back((await world.hub.head()).number - receipt.block + 1)
    await follower.advance()
    for signed in four:
        assert await client.status(signed) == ("open", 3)
    gone = await client.http.get(f"/deals/{receipt.deals[0]}", params=client.chain)
    assert gone.json()["error"] == "deal not found"

    await node.mine_again(1)
    await node.rpc("evm_setAutomine", True)
    await follower.advance()
    for signed in four:
        assert await client.status(signed) == ("filled", 0)

    orders = contracts.orders(dataset=True, tasks=3)
    four = (orders.app, orders.dataset, orders.workerpool, orders.request)
    for signed, wallet in zip(four, signers, strict=True):
        answer = await client.publish(signed, wallet)
        assert answer.status_code == 200, answer.text
    closed = (_app_tuple(orders.app), 1, b"")
    closing = function("manageAppOrder", (f"({ASSET},uint8,bytes)",), (closed,))
    await send(node, world.owner.address, world.hub.facts.hub, closing)
    await follower.advance()
    assert await client.status(orders.app) == ("canceled", 0)
    assert await client.status(orders.request) == ("dead", 3)

    free, _ = await world.stake(world.owner)
    withdrawal = function("withdraw", ("uint256",), (free,))
    await send(node, world.owner.address, world.hub.facts.hub, withdrawal)
    await follower.advance()
    assert await client.status(orders.workerpool) == ("dead", 3)
    registry = world.hub.facts.dataset_registry
    values = (world.owner.address, OTHER, int.from_bytes(contracts.dataset, "big"))
    types = ("address", "address", "uint256")
    await send(node, world.owner.address, registry, function("transferFrom", types, values))
    await follower.advance()
    assert await client.status(orders.dataset) == ("dead", 3)

    z = ZERO_ADDRESS
    strange = AppOrder(contracts.app, NanoRlc(0), 1, NO_TAG, z, z, z, salt())
    forged = Signed(strange, world.requester.sign_order(world.domain, strange))
    assert (await client.publish(forged, world.owner)).json()["error"] == "invalid sign"
    nowhere = AppOrder(OTHER, NanoRlc(0), 1, NO_TAG, z, z, z, salt())
    lost = Signed(nowhere, world.owner.sign_order(world.domain, nowhere))
    assert (await client.publish(lost, world.owner)).json()["error"] == "Resource not deployed"
    honest = Signed(strange, world.owner.sign_order(world.domain, strange))
    assert (await client.publish(honest, world.owner)).status_code == 200


@pytest.mark.parametrize("for_groups", [False, True])
async def test_a_matcher_brings_a_request_onto_the_real_contracts(
    anvil,  # noqa: F811
    tmp_path,
    for_groups,
):
    """The requester signs and pays RLC; whoever runs the matcher pays the gas."""
    database = MarketDatabase(f"sqlite:///{tmp_path / 'market.db'}")
    async with connect(anvil.settings()) as chain:
        sender = lambda wallet: anvil.sender(chain, wallet)  # noqa: E731 - as World wants it
        world = World(chain.hub, chain.watcher, list(WALLETS), sender, None, None)
        contracts = await Market.open(world)
        app, follower = assemble(
            MarketWorld(chain.market, chain.facts, chain.hub), database, settings_of()
        )
        await follower.open()
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://market") as http:
            try:
                orders = contracts.orders(dataset=True, tasks=2)
                if for_groups:
                    orders = await _for_groups(anvil, world, orders)
                await _matched(anvil, world, orders, Client(http, world.domain), follower)
            finally:
                database.close()


async def _for_groups(node, world, orders):
    """Let the request be for a group of workerpools, and the pool's order for one of requesters."""
    pool, request = orders.workerpool.order, orders.request.order
    for group, member in ((POOLS, pool.workerpool), (BUYERS, request.requester)):
        await node.rpc("anvil_setCode", str(group), "0x" + Group(member).code.hex())
    pool = replace(pool, requester_restrict=BUYERS)
    request = replace(request, workerpool=POOLS)
    return replace(
        orders,
        workerpool=Signed(pool, world.owner.sign_order(world.domain, pool)),
        request=Signed(request, world.requester.sign_order(world.domain, request)),
    )


async def _matched(node, world, orders, client, follower):
    await follower.advance()
    for signed, wallet in (
        (orders.app, world.owner),
        (orders.dataset, world.owner),
        (orders.workerpool, world.owner),
        (orders.request, world.requester),
    ):
        assert (await client.publish(signed, wallet)).status_code == 200
    helper, requester = world.workers[0], world.requester.address
    before = (await world.hub.coin_balances([requester, helper.address])).found
    market = MarketClient(client.http, "http://market", world.domain)
    quota = MatchQuota(9, Seconds(60))
    clock = ManualClock()
    matcher = Matcher(world.hub, market, world.sender(helper), quota, clock)
    assert await matcher.round() == 0  # it names a pool, which goes first
    await node.rpc("anvil_mine", hex(WAITING_STEP.blocks), hex(WAITING_STEP.seconds))
    matched = 0
    for _ in range(3):  # at orders for everybody, then at those for groups, then at nothing
        matched += await matcher.round()
        clock.advance(FIRST_PAUSE_OF_REQUEST)
    assert matched == 1
    after = (await world.hub.coin_balances([requester, helper.address])).found
    assert after[requester] == before[requester]
    assert after[helper.address] < before[helper.address]
    name = deal_id(order_hash(world.domain, orders.request.order), 0)
    deal = await world.hub.deal(name)
    assert (deal.bot_size, deal.requester) == (2, requester)
    await follower.advance()
    for signed in (orders.app, orders.dataset, orders.workerpool, orders.request):
        assert await client.status(signed) == ("filled", 0)
