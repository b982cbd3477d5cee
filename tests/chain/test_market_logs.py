"""What a market follows: orders closed, assets and stakes that change hands."""

from __future__ import annotations

import pytest
from hub_world import Market, World

from chain_fixtures import WALLETS
from memory_node import MemoryLink, MemoryNode, linked
from poolhand.chain import connect
from poolhand.chain.encode import _app_tuple, _dataset_tuple, _pool_tuple, _request_tuple, function
from poolhand.chain.logs import topic
from poolhand.chain.market_logs import MarketLogs
from poolhand.domain.ids import ZERO_ADDRESS, Address, BlockHash, OrderHash, TaskId, TxHash
from poolhand.domain.market_events import (
    AssetMoved,
    LogPlace,
    OrderClosed,
    OrderSort,
    StakeChange,
    StakeChanged,
)
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.units import BlockNumber, NanoRlc, Wei
from poolhand.store.memory import MemoryJournal

ASSET = "(address,uint256,uint256,bytes32,address,address,address,bytes32,bytes)"
POOL = "(address,uint256,uint256,bytes32,uint256,uint256,address,address,address,bytes32,bytes)"
REQUEST = (
    "(address,uint256,address,uint256,address,uint256,address,uint256,bytes32,uint256,uint256,"
    "address,address,string,bytes32,bytes)"
)
FUNCTIONS = {
    OrderSort.APP: ("manageAppOrder", ASSET, _app_tuple),
    OrderSort.DATASET: ("manageDatasetOrder", ASSET, _dataset_tuple),
    OrderSort.WORKERPOOL: ("manageWorkerpoolOrder", POOL, _pool_tuple),
    OrderSort.REQUEST: ("manageRequestOrder", REQUEST, _request_tuple),
}
CLOSE = 1
OTHER = Address(b"\x44" * 20)


async def send(node, source, target, data):
    """Send from an account whose key we need not have."""
    await node.rpc("anvil_impersonateAccount", str(source))
    sent = {"from": str(source), "to": str(target), "data": "0x" + data.hex(), "gas": hex(10**6)}
    name = await node.rpc("eth_sendTransaction", sent)
    await node.rpc("evm_mine")
    receipt = await node.rpc("eth_getTransactionReceipt", name)
    assert receipt["status"] == "0x1"


async def heard(chain, first=0):
    last = (await chain.hub.head()).number
    parts = chain.market.history(BlockNumber(first), last)
    return tuple([event async for _, events in parts for event in events])


@pytest.mark.chain
async def test_the_contracts_tell_of_orders_closed_and_assets_given_away(anvil, tmp_path):
    async with connect(anvil.settings()) as chain:
        world = World(
            chain.hub, chain.watcher, list(WALLETS), lambda w: anvil.sender(chain, w), None, None
        )
        market = await Market.open(world)
        orders = market.orders(dataset=True)
        domain, hub = world.domain, chain.facts.hub
        before = (await chain.hub.head()).number
        wanted = {}
        for sort, signed in (
            (OrderSort.APP, orders.app),
            (OrderSort.DATASET, orders.dataset),
            (OrderSort.WORKERPOOL, orders.workerpool),
            (OrderSort.REQUEST, orders.request),
        ):
            name, kind, spelled = FUNCTIONS[sort]
            data = function(name, (f"({kind},uint8,bytes)",), ((spelled(signed), CLOSE, b""),))
            owner = world.requester if sort is OrderSort.REQUEST else world.owner
            await send(anvil, owner.address, hub, data)
            wanted[sort] = order_hash(domain, signed.order)
        for registry, asset in (
            (chain.facts.app_registry, market.app),
            (chain.facts.dataset_registry, market.dataset),
            (chain.facts.workerpool_registry, market.pool),
        ):
            values = (world.owner.address, OTHER, int.from_bytes(asset, "big"))
            types = ("address", "address", "uint256")
            await send(
                anvil, world.owner.address, registry, function("transferFrom", types, values)
            )
        events = await heard(chain, before + 1)
        assert {e.sort: e.order for e in events if isinstance(e, OrderClosed)} == wanted
        given = {(e.sort, e.asset, e.source, e.target) for e in events if isinstance(e, AssetMoved)}
        owner = world.owner.address
        assert given == {
            (OrderSort.APP, market.app, owner, OTHER),
            (OrderSort.DATASET, market.dataset, owner, OTHER),
            (OrderSort.WORKERPOOL, market.pool, owner, OTHER),
        }
        assert [event.place for event in events] == sorted(event.place for event in events)
        for each in wanted.values():
            used = await chain.hub.consumed([each])
            assert used[each] > 0, "closed on chain, too"


async def stakes_of_a_deal(world, chain):
    market = await Market.open(world)
    before = (await chain.hub.head()).number
    deal = await market.deal()
    events = await heard(chain, before + 1)
    changes = [event for event in events if isinstance(event, StakeChanged)]
    locked = {e.owner: e.amount for e in changes if e.change is StakeChange.LOCKED}
    accounts = await chain.hub.accounts(locked)
    assert locked == {name: account.locked for name, account in accounts.items()}
    assert set(locked) == {deal.requester, world.owner.address}
    moved = [e for e in changes if e.change is StakeChange.MOVED]
    assert {(e.owner, e.target) for e in moved} == {(name, chain.facts.hub) for name in locked}
    created = [e for e in await heard(chain) if isinstance(e, AssetMoved)]
    assert {(e.sort, e.asset) for e in created} >= {
        (OrderSort.APP, market.app),
        (OrderSort.DATASET, market.dataset),
        (OrderSort.WORKERPOOL, market.pool),
    }
    assert all(e.source.is_zero for e in created)


@pytest.mark.chain
async def test_the_contracts_tell_of_stakes_that_a_deal_locks(anvil):
    async with connect(anvil.settings()) as chain:
        sender = lambda wallet: anvil.sender(chain, wallet)  # noqa: E731 - as World wants it
        world = World(chain.hub, chain.watcher, list(WALLETS), sender, None, None)
        await stakes_of_a_deal(world, chain)


async def test_stakes_that_a_deal_locks_are_told():
    node = MemoryNode()
    for wallet in WALLETS:
        node.chain.fund(wallet.address, rlc=NanoRlc(10**13), coin=Wei(10**18))
    kept: dict = {}
    async with linked(MemoryLink(node)) as chain:

        def sender(wallet):
            return chain.sender(wallet, kept.setdefault(wallet.address, MemoryJournal()))

        world = World(chain.hub, chain.watcher, list(WALLETS), sender, None, None)
        await stakes_of_a_deal(world, chain)


# ---------------------------------------------------------------------- as nodes write them


@pytest.fixture
async def facts():
    async with linked(MemoryLink(MemoryNode())) as chain:
        return chain.facts


def log_of(address, topics, data):
    return {
        "address": str(address).lower(),
        "topics": topics,
        "data": "0x" + data.hex(),
        "blockNumber": "0x10",
        "blockHash": "0x" + "b1" * 32,
        "transactionHash": "0x" + "a1" * 32,
        "logIndex": "0x3",
    }


PLACE = LogPlace(
    BlockNumber(16), 3, BlockHash.parse("0x" + "b1" * 32), TxHash.parse("0x" + "a1" * 32)
)


@pytest.mark.parametrize(
    ("sort", "named"),
    [
        (OrderSort.APP, "7343f75be43aba524f85326508cd975d016ef7884676377366c69a7c32e30668"),
        (OrderSort.DATASET, "cf52e3228bc482a6656d8ab56c09888b1c5bf6aaadba0185e96a34836f2bb1d4"),
        (OrderSort.WORKERPOOL, "145ad51e4496173bca15e24e7eb46f9ab3a10eea0497e2801a3a6806c06113a3"),
        (OrderSort.REQUEST, "582f43f2a741cbe708aae3b8d38a4efc3d09d7e81919697b3ca693f4c444cc05"),
    ],
)
async def test_a_closed_order_is_read(facts, sort, named):
    order = OrderHash(b"\x09" * 32)
    told = MarketLogs.of(facts).read(log_of(facts.hub, ["0x" + named], order))
    assert told == OrderClosed(PLACE, sort, order)


@pytest.mark.parametrize("change", [StakeChange.SEIZED, StakeChange.REWARDED])
async def test_a_stake_seized_or_rewarded_names_its_task(facts, change):
    named = {
        StakeChange.SEIZED: "0x1bccc549c38561cd5b57f0db11ceb8dde1b0b6ee05ab5e155b51c7c5ba64becb",
        StakeChange.REWARDED: "0xc2aca55aa696938c7e95842e8939ca0fbb2120a3eeb8948cdcee2b70da566672",
    }[change]
    task = TaskId(b"\x07" * 32)
    data = bytes(12) + OTHER + (5).to_bytes(32, "big") + task
    told = MarketLogs.of(facts).read(log_of(facts.hub, [named], data))
    assert told == StakeChanged(PLACE, change, OTHER, NanoRlc(5), task_id=task)


async def test_a_registrys_transfer_is_none_of_stake(facts):
    named = "0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    ways = [named, topic(ZERO_ADDRESS), topic(OTHER)]
    stake = MarketLogs.of(facts).read(log_of(facts.hub, ways, (7).to_bytes(32, "big")))
    assert stake == StakeChanged(PLACE, StakeChange.MOVED, ZERO_ADDRESS, NanoRlc(7), OTHER)
    asset = Address(b"\x66" * 20)
    moved = MarketLogs.of(facts).read(log_of(facts.dataset_registry, [*ways, topic(asset)], b""))
    assert moved == AssetMoved(PLACE, OrderSort.DATASET, asset, ZERO_ADDRESS, OTHER)
