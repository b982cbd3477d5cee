"""What a market reads of a chain, told by the fake one and by the real contracts alike."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

import pytest
from hub_world import Market, World

from chain_fixtures import WALLETS, fresh_node
from poolhand.chain import connect
from poolhand.chain.encode import _app_tuple, function
from poolhand.chain.fake.market import FakeMarketChain
from poolhand.domain.deal import Deal, Resource
from poolhand.domain.eip712 import order_domain
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.hashes import deal_id
from poolhand.domain.ids import ZERO_ADDRESS, Address, BlockHash, DealId, OrderHash
from poolhand.domain.market_events import (
    AssetMoved,
    OrderClosed,
    OrdersMatched,
    OrderSort,
    StakeChange,
    StakeChanged,
)
from poolhand.domain.onchain import Head
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import NO_DATASET_ORDER
from poolhand.domain.trust import Trust
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds
from poolhand.ports.market_chain import MarketChain, OrderClaim, SignedHash

ASSET = "(address,uint256,uint256,bytes32,address,address,address,bytes32,bytes)"
OTHER = Address(b"\x44" * 20)
NOBODY = BlockHash(b"\x99" * 32)
SECP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass
class Land:
    """A chain to be read, and hands on it; each act is in a block of its own."""

    chain: MarketChain
    domain: object
    contracts: Market
    match: Callable[[object], Awaitable[DealId]]
    close: Callable[[object], Awaitable[None]]
    give: Callable[[Address], Awaitable[None]]
    withdraw: Callable[[int], Awaitable[None]]
    reorganise: Callable[[], Awaitable[None]]
    judged: Callable[[SignedHash], Awaitable[bool]]

    @property
    def owner(self):
        return WALLETS[1]

    @property
    def requester(self):
        return WALLETS[0]

    def hash_of(self, signed) -> OrderHash:
        return order_hash(self.domain, signed.order)

    def claim(self, sort, signed, resource, by=None, sign=None) -> OrderClaim:
        account = by or (self.requester if sort is OrderSort.REQUEST else self.owner).address
        told = signed.signature if sign is None else sign
        return OrderClaim(sort, resource, SignedHash(account, self.hash_of(signed), told))

    async def fact(self, *told, at=None, **more):
        head = at or await self.chain.head()
        (found,) = await self.chain.order_facts([self.claim(*told, **more)], head)
        return found

    async def events(self):
        return await self.chain.events_of([await self.chain.head()])


@pytest.fixture(params=["fake", pytest.param("anvil", marks=pytest.mark.chain)])
async def land(request, tmp_path):
    if request.param == "fake":
        yield fake_land()
        return
    deployed = request.getfixturevalue("deployed_chain")
    async with (
        fresh_node(deployed, tmp_path / "anvil") as node,
        connect(node.settings()) as chain,
    ):
        sender = lambda wallet: node.sender(chain, wallet)  # noqa: E731 - as World wants it
        world = World(chain.hub, chain.watcher, list(WALLETS), sender, node.advance, None)
        yield await real_land(node, chain, world)


async def real_land(node, chain, world) -> Land:
    contracts = await Market.open(world)
    acts = RealActs(node, world, contracts.dataset)
    done = (acts.match, acts.close, acts.give, acts.withdraw, acts.reorganise, acts.judged)
    return Land(chain.market, world.domain, contracts, *done)


@dataclass
class RealActs:
    """Acts on the real contracts, each in a block of its own."""

    node: object
    world: World
    dataset: Address

    @property
    def hub(self) -> Address:
        return self.world.hub.facts.hub

    async def send(self, target, data):
        owner = str(self.world.owner.address)
        await self.node.rpc("anvil_impersonateAccount", owner)
        sent = {"from": owner, "to": str(target), "data": "0x" + data.hex(), "gas": hex(10**6)}
        name = await self.node.rpc("eth_sendTransaction", sent)
        while (receipt := await self.node.rpc("eth_getTransactionReceipt", name)) is None:
            pass
        assert receipt["status"] == "0x1"

    async def match(self, orders):
        return (await self.world.send(self.world.requester, orders)).deals[0]

    async def close(self, signed):
        closing = (_app_tuple(signed), 1, b"")
        await self.send(
            self.hub, function("manageAppOrder", (f"({ASSET},uint8,bytes)",), (closing,))
        )

    async def give(self, target):
        values = (self.world.owner.address, target, int.from_bytes(self.dataset, "big"))
        given = function("transferFrom", ("address", "address", "uint256"), values)
        await self.send(self.world.hub.facts.dataset_registry, given)

    async def withdraw(self, amount):
        await self.send(self.hub, function("withdraw", ("uint256",), (amount,)))

    async def reorganise(self):
        await self.node.rpc("anvil_reorg", 1, [])

    async def judged(self, signed):
        values = signed.account, bytes(signed.digest), signed.sign
        data = function("verifySignature", ("address", "bytes32", "bytes"), values)
        asked = {"from": str(self.hub), "to": str(self.hub), "data": "0x" + data.hex()}
        try:
            return int(await self.node.rpc("eth_call", asked, "latest"), 16) == 1
        except Exception:  # noqa: BLE001 - the contract reverts on some
            return False


def fake_land() -> Land:
    chain, owner = FakeMarketChain(), WALLETS[1].address
    domain = order_domain(31337, Address(b"\x0b" * 20))
    assets = [Address(bytes([n] * 20)) for n in (0xA1, 0xD1, 0xB1)]
    for sort, asset in zip(OrderSort, assets, strict=False):
        chain.register(sort, asset, owner)
    for wallet in WALLETS:
        chain.deposit(wallet.address, 2000 * 10**9)
    chain.mine()
    contracts = Market(_Signers(domain), *assets)

    acts = FakeActs(chain, domain, owner, contracts.dataset)
    done = (acts.match, acts.close, acts.give, acts.withdraw, acts.reorganise, acts.judged)
    return Land(chain, domain, contracts, *done)


@dataclass
class FakeActs:
    """Acts on the fake chain, each in a block of its own."""

    chain: FakeMarketChain
    domain: object
    owner: Address
    dataset: Address

    async def match(self, orders):
        four = (orders.app, orders.dataset, orders.workerpool, orders.request)
        names = [order_hash(self.domain, each.order) for each in four]
        if orders.dataset.order == NO_DATASET_ORDER:
            names[1] = OrderHash(bytes(32))
        deal = _deal(orders, names[3], self.owner)
        self.chain.match(tuple(names), deal)
        self.chain.mine()
        return deal.deal_id

    async def close(self, signed):
        name = order_hash(self.domain, signed.order)
        self.chain.close(OrderSort.APP, name, signed.order.volume)
        self.chain.mine()

    async def give(self, target):
        self.chain.give(self.dataset, target)
        self.chain.mine()

    async def withdraw(self, amount):
        self.chain.withdraw(self.owner, amount)
        self.chain.mine()

    async def reorganise(self):
        self.chain.reorganise(1)
        self.chain.mine()

    async def judged(self, signed):
        claim = OrderClaim(OrderSort.REQUEST, signed.account, signed)
        (found,) = await self.chain.order_facts([claim], await self.chain.head())
        return found.signed


@dataclass
class _Signers:
    """As much of a world as signing orders takes."""

    domain: object
    owner = WALLETS[1]
    requester = WALLETS[0]


def _deal(orders, request: OrderHash, owner: Address) -> Deal:
    asked = orders.request.order
    resources = [Resource(each, owner, NanoRlc(0)) for each in (asked.app, asked.dataset)]
    pool = Resource(asked.workerpool, owner, asked.workerpool_max_price)
    return Deal(
        deal_id(request, 0), *resources, pool, trust=Trust(1), category=asked.category,
        tag=asked.tag, requester=asked.requester, beneficiary=asked.beneficiary,
        callback=asked.callback, params=asked.params, start_time=UnixSeconds(0), bot_first=0,
        bot_size=asked.volume, worker_stake=NanoRlc(0), scheduler_percent=1,
        sponsor=asked.requester,
    )  # fmt: skip


def of_kind(events, kind):
    return [event for event in events if isinstance(event, kind)]


async def test_a_match_is_told_with_its_orders_and_read_at_its_block(land):
    orders = land.contracts.orders(dataset=True, tasks=3)
    before = await land.chain.head()
    name = await land.match(orders)
    (told,) = of_kind(await land.events(), OrdersMatched)
    four = (orders.app, orders.dataset, orders.workerpool, orders.request)
    hashes = tuple(land.hash_of(each) for each in four)
    assert (told.deal_id, told.orders, told.volume) == (name, hashes, 3)
    head = await land.chain.head()
    assert (told.place.block, told.place.block_hash) == (head.number, head.block_hash)
    assert await land.chain.consumed(hashes, head) == dict.fromkeys(hashes, 3)
    assert await land.chain.consumed(hashes, before) == dict.fromkeys(hashes, 0)
    deal = (await land.chain.deals([name], head))[name]
    assert (deal.bot_size, deal.app.address) == (3, land.contracts.app)
    assert deal.start_time == head.timestamp
    assert await land.chain.deals([name], before) == {}


async def test_without_a_dataset_its_hash_is_zero(land):
    await land.match(land.contracts.orders(tasks=2))
    (told,) = of_kind(await land.events(), OrdersMatched)
    assert told.orders[1] == OrderHash(bytes(32))


async def test_a_closed_order_is_told_and_used_up(land):
    signed = land.contracts.orders(tasks=4).app
    await land.close(signed)
    (told,) = of_kind(await land.events(), OrderClosed)
    assert (told.sort, told.order) == (OrderSort.APP, land.hash_of(signed))
    head = await land.chain.head()
    assert await land.chain.consumed([told.order], head) == {told.order: 4}


async def test_what_changes_hands_is_told_and_its_owner_read(land):
    before, asset = await land.chain.head(), land.contracts.dataset
    await land.give(OTHER)
    (told,) = of_kind(await land.events(), AssetMoved)
    assert (told.sort, told.asset) == (OrderSort.DATASET, asset)
    assert (told.source, told.target) == (land.owner.address, OTHER)
    head = await land.chain.head()
    assert await land.chain.owners([asset, OTHER], head) == {asset: OTHER, OTHER: ZERO_ADDRESS}
    assert (await land.chain.owners([asset], before))[asset] == land.owner.address


async def test_stake_that_leaves_is_told_and_read(land):
    before, owner = await land.chain.head(), land.owner.address
    had = (await land.chain.stakes([owner], before))[owner]
    await land.withdraw(7)
    moved = [each for each in of_kind(await land.events(), StakeChanged) if each.owner == owner]
    told = next(each for each in moved if each.change is StakeChange.MOVED)
    assert (told.amount, told.target) == (7, ZERO_ADDRESS)
    assert (await land.chain.stakes([owner], await land.chain.head()))[owner] == had - 7
    assert (await land.chain.stakes([owner, OTHER], before)) == {owner: had, OTHER: 0}


async def test_what_is_to_be_known_of_orders_is_read_together(land):
    orders = land.contracts.orders(dataset=True, tasks=3)
    contracts, sorts = land.contracts, list(OrderSort)
    four = (orders.app, orders.dataset, orders.workerpool, orders.request)
    sold = (contracts.app, contracts.dataset, contracts.pool, land.requester.address)
    claims = [land.claim(*each) for each in zip(sorts, four, sold, strict=True)]
    head = await land.chain.head()
    found = await land.chain.order_facts(claims, head)
    owner, requester = land.owner.address, land.requester.address
    assert [each.owner for each in found] == [owner, owner, owner, requester]
    assert all(each.signed and each.consumed == 0 for each in found)
    assert found[0].stake == (await land.chain.stakes([owner], head))[owner] > 0
    await land.match(orders)
    again = await land.chain.order_facts(claims, await land.chain.head())
    assert [each.consumed for each in again] == [3, 3, 3, 3]
    assert await land.chain.order_facts(claims, head) == found
    assert await land.chain.order_facts([], head) == ()


async def test_what_no_registry_of_its_sort_knows_is_nobodys(land):
    signed = land.contracts.orders().app
    echo = Address((4).to_bytes(20, "big"))  # answers with the question, on every chain
    for resource in (OTHER, land.contracts.pool, ZERO_ADDRESS, echo):
        assert (await land.fact(OrderSort.APP, signed, resource)).owner is None
    strange = land.claim(OrderSort.APP, signed, land.contracts.app, by=OTHER)
    (found,) = await land.chain.order_facts([strange], await land.chain.head())
    assert (found.owner, found.signed, found.stake) == (land.owner.address, False, 0)


async def test_one_form_of_a_signature_is_good(land):
    signed = land.contracts.orders().app
    good = signed.signature
    high = (SECP_ORDER - int.from_bytes(good[32:64], "big")).to_bytes(32, "big")
    parity = (good[64] - 27) << 7
    compact = good[:32] + bytes([good[32] | parity]) + good[33:64]
    for sign, is_good in (
        (good, True),
        (compact, True),
        (good[:32] + high + bytes([55 - good[64]]), False),
        (good[:64] + bytes([good[64] - 27]), False),
        (good[:64] + bytes([55 - good[64]]), False),
        (good + b"\0", False),
        (good[:63], False),
        (bytes(65), False),
        (b"", False),
    ):
        found = await land.fact(OrderSort.APP, signed, land.contracts.app, sign=sign)
        assert found.signed is is_good, sign.hex()
        told = SignedHash(land.owner.address, land.hash_of(signed), sign)
        assert await land.judged(told) is is_good, sign.hex()
    plain = SignedHash(land.owner.address, land.hash_of(signed), good)
    assert not await land.chain.vouches(plain, await land.chain.head())  # it is no contract


async def test_history_is_what_blocks_told_one_by_one(land):
    first = BlockNumber((await land.chain.head()).number + 1)
    await land.match(land.contracts.orders(tasks=1))
    await land.give(OTHER)
    await land.withdraw(3)
    last = (await land.chain.head()).number
    heads = await land.chain.blocks([BlockNumber(each) for each in range(first, last + 1)])
    one_by_one = await land.chain.events_of(heads)
    found, ends = [], []
    async for end, events in land.chain.history(first, last):
        found += events
        ends.append(end)
    assert tuple(found) == one_by_one
    assert ends[-1] == last
    assert sorted(ends) == ends
    assert (await land.chain.blocks([BlockNumber(last + 9)])) == [None]
    assert await land.chain.events_of([]) == ()


async def test_a_block_that_is_gone_is_not_read_as_another_one(land):
    await land.withdraw(3)
    head = await land.chain.head()
    await land.reorganise()
    gone = [head, replace(head, block_hash=NOBODY)]
    signed = land.contracts.orders().app
    for each in gone:
        with pytest.raises(ChainUnreachable):
            await land.chain.stakes([land.owner.address], each)
        with pytest.raises(ChainUnreachable):
            await land.fact(OrderSort.APP, signed, land.contracts.app, at=each)
    assert isinstance(head, Head)
