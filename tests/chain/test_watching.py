"""Following a node in memory: forks, lag, troubles, and what is told of them."""

from __future__ import annotations

import asyncio

import pytest
from hub_world import Market, World

from memory_node import Hurry, MemoryLink, MemoryNode, RpcError, linked
from poolhand.chain import connect
from poolhand.chain.errors import NoHub, WrongChain, WrongMode
from poolhand.domain.errors import BrokenPrecondition, ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import EventKind, Initialize
from poolhand.domain.units import BlockNumber, NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.settings.chain import ChainSettings
from poolhand.store.memory import MemoryJournal

LOGS = "eth_getLogs"


@pytest.fixture
def node():
    return MemoryNode()


async def market_on(node, chain):
    wallets = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
    for wallet in wallets:
        node.chain.fund(wallet.address, rlc=NanoRlc(10**13), coin=Wei(10**20))
    journals = {}

    def sender(wallet):
        return chain.sender(wallet, journals.setdefault(wallet.address, MemoryJournal()))

    return await Market.open(World(chain.hub, chain.watcher, wallets, sender, None, None))


async def soon(condition):
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 - turns of the loop, no time
            await asyncio.sleep(0)


@pytest.mark.case("B1")
async def test_trouble_with_old_logs_is_told_until_it_is_over(node, following):
    node.mine(blocks=200)

    def refuse(method, params):
        if method == LOGS and "fromBlock" in params[0]:
            raise RpcError(-32005, "query returned more than 10000 results")

    node.refuse = refuse
    async with linked(MemoryLink(node)) as chain:
        market = await market_on(node, chain)
        await market.deal()
        told = following(chain.watcher.events(market.pool, BlockNumber(0)))
        await soon(lambda: chain.watcher.trouble)
        assert "old logs are not being read" in chain.watcher.trouble
        assert told == []
        node.refuse = lambda _method, _params: None
        node.mine()
        await soon(lambda: told)
        await soon(lambda: not chain.watcher.trouble)
        assert told[0].kind is EventKind.SCHEDULER_NOTICE


@pytest.mark.case("B1")
async def test_trouble_with_new_blocks_is_told_until_it_is_over(node):
    async with linked(MemoryLink(node)) as chain:
        heads = chain.watcher.heads()
        await anext(heads)

        def refuse(method, _params):
            if method == LOGS:
                raise RpcError(-32000, "missing trie node")

        node.refuse = refuse
        node.mine()
        await soon(lambda: chain.watcher.trouble)
        assert "new blocks are not being read" in chain.watcher.trouble
        node.refuse = lambda _method, _params: None
        node.mine()
        await soon(lambda: not chain.watcher.trouble)


@pytest.mark.parametrize("by_hash", [True, False])
async def test_events_taken_back_are_told_as_removed_and_then_anew(node, following, by_hash):
    node.lacks = set() if by_hash else {"blockHash"}
    async with linked(MemoryLink(node)) as chain:
        market = await market_on(node, chain)
        deal = await market.deal()
        start = BlockNumber(node.chain.head.number + 1)
        told = following(chain.watcher.events(market.pool, start))
        await market.world.send(market.world.owner, Initialize(((deal.deal_id, 0),)))
        await soon(lambda: len(told) == 1)
        node.reorg(1)
        node.mine()
        await soon(lambda: len(told) == 3)
        first, gone, again = told
        assert (first.removed, gone.removed, again.removed) == (False, True, False)
        assert gone.block_hash == first.block_hash != again.block_hash


async def test_an_event_is_told_once_it_is_confirmed(node, following):
    async with linked(MemoryLink(node)) as first:
        market = await market_on(node, first)
        deal = await market.deal()
        async with linked(MemoryLink(node), confirmations=3) as chain:
            start = BlockNumber(node.chain.head.number + 1)
            told = following(chain.watcher.events(market.pool, start))
            await market.world.send(market.world.owner, Initialize(((deal.deal_id, 0),)))
            for _ in range(2):
                heads = chain.watcher.heads()
                await anext(heads)
                assert told == []
                node.mine()
                await anext(heads)
            await soon(lambda: told)


async def test_a_lagging_endpoint_takes_nothing_back(node):
    """Blocks only go forward, and the fresher endpoint is asked."""
    node.mine(blocks=5)
    late = MemoryNode()
    late.chain = node.chain
    first, second = MemoryLink(late, "memory://late"), MemoryLink(node)
    frozen = node.chain.head.number

    def answer(request):
        if "latest" in request.get("params", []):
            params = [hex(frozen) if each == "latest" else each for each in request["params"]]
            request = {**request, "params": params}
        return MemoryNode.answer(late, request)

    late.answer = answer
    async with linked(first, second) as chain:
        heads = chain.watcher.heads()
        numbers = [(await anext(heads)).number]
        for _ in range(3):
            node.mine()
            late.bell.ring()
            async with asyncio.timeout(60):
                numbers.append((await anext(heads)).number)
        assert numbers == sorted(set(numbers))
        assert (await chain.hub.head()).number == node.chain.head.number


async def test_deep_history_is_read_beside_the_window(node):
    async with linked(MemoryLink(node)) as chain:
        market = await market_on(node, chain)
        await market.deal()
        node.mine(blocks=150)
        found = await chain.hub.deals_of(market.pool, BlockNumber(0), node.chain.head.number)
        assert len(found) == 1


# ------------------------------------------------------------------------------ connecting


async def test_another_chain_is_refused_and_never_asked_again(node):
    other = MemoryNode()
    other.chain.facts = node.chain.facts.__class__(
        **{n: getattr(node.chain.facts, n) for n in node.chain.facts.__slots__} | {"chain_id": 5}
    )
    with pytest.raises(WrongChain, match="is of chain 5, not 31337"):
        async with linked(MemoryLink(node), MemoryLink(other)):
            pass


@pytest.mark.parametrize("place", ["nothing", "another contract"])
async def test_a_place_without_hub_is_refused(node, place):
    hub = Address(b"\x77" * 20) if place == "nothing" else node.chain.facts.app_registry
    settings = ChainSettings(("memory://",), hub)
    with pytest.raises(NoHub):
        async with connect(settings, link=lambda _url: MemoryLink(node)):
            pass


async def test_the_wrong_mode_is_refused(node):
    with pytest.raises(WrongMode):
        async with linked(MemoryLink(node), native=True):
            pass


async def test_nobody_there_is_unreachable(node):
    link = MemoryLink(node)
    link.before = link.breaks("eth_chainId", reached=False)
    with pytest.raises(ChainUnreachable, match="broke off at eth_chainId"):
        async with linked(link):
            pass


async def test_one_endpoint_that_answers_is_enough(node):
    dead = MemoryLink(node, "memory://dead")
    dead.before = dead.breaks("eth_chainId")
    async with linked(dead, MemoryLink(node), pace=Hurry()) as chain:
        assert (await chain.hub.head()).number == 0
    assert dead.closed


async def test_a_wallet_has_one_sender(node):
    journal, wallet = MemoryJournal(), Wallet.from_key(bytes([1] * 32))
    async with linked(MemoryLink(node)) as chain:
        assert chain.sender(wallet, journal) is chain.sender(wallet, journal)
        with pytest.raises(BrokenPrecondition):
            chain.sender(wallet, MemoryJournal())


async def test_who_follows_is_told_of_the_end(node):
    async with linked(MemoryLink(node)) as chain:
        heads = chain.watcher.heads()
        await anext(heads)
    with pytest.raises(ChainUnreachable, match="disconnected"):
        await anext(heads)


async def test_a_node_that_knows_no_block_is_told(node):
    async with linked(MemoryLink(node)) as chain:
        node._eth_getBlockByNumber = lambda *_: None
        with pytest.raises(ChainUnreachable, match="no newest block"):
            await chain.hub.head()
