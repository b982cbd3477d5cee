"""Many transactions of one wallet: bounded, in batches, and no nonce waits for a node."""

from __future__ import annotations

import asyncio

import pytest

from memory_node import MemoryLink, MemoryNode, RpcError, linked
from poolhand.chain.keeper import REPEAT
from poolhand.chain.ledger import LEDGER_PREFIX
from poolhand.chain.nonces import Nonces
from poolhand.chain.turns import Turns
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.onchain import Claim, Finalize, Initialize, TransferRlc
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.store.memory import MemoryJournal

WALLET = Wallet.from_key(bytes([1] * 32))
STRANGER = Address(b"\x55" * 20)
SEND = "eth_sendRawTransaction"


class GatedLink(MemoryLink):
    """A way on which broadcasts wait until they are let through."""

    def __init__(self, node) -> None:
        super().__init__(node)
        self.opened, self.batches = asyncio.Event(), list[int]()
        self.opened.set()

    async def exchange(self, queries):
        sent = sum(query.method == SEND for query in queries)
        if sent:
            self.batches.append(sent)
            await self.opened.wait()
        return await super().exchange(queries)


@pytest.fixture
def node():
    made = MemoryNode()
    made.chain.fund(WALLET.address, rlc=NanoRlc(10**6), coin=Wei(10**18))
    made.automine = False
    return made


@pytest.fixture
def link(node):
    return GatedLink(node)


@pytest.fixture
def journal():
    return MemoryJournal()


def transfers(chain, journal, first, last):
    """Send so many transfers at once."""
    sender = chain.sender(WALLET, journal)
    return [
        asyncio.create_task(sender.send(f"t:{n}", TransferRlc(STRANGER, NanoRlc(n + 1))))
        for n in range(first, last)
    ]


def signed(journal):
    return sum(stream.startswith(LEDGER_PREFIX) for stream, _ in journal.read())


async def settled():
    for _ in range(400):  # turns of the loop, and no time
        await asyncio.sleep(0)


async def end(tasks):
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


# --------------------------------------------------------------------------------- bounds


async def test_no_more_than_may_be_under_way_are_sent_and_the_rest_follow(node, link, journal):
    async with linked(link, most_under_way=3) as chain:
        tasks = transfers(chain, journal, 0, 10)
        for mined in (0, 3, 6, 9):
            async with asyncio.timeout(60):
                await node.pooled(min(3, 10 - mined))
            await settled()
            assert len(node.pool) == min(3, 10 - mined)
            node.mine()
        async with asyncio.timeout(60):
            receipts = await asyncio.gather(*tasks)
    assert len({receipt.tx_hash for receipt in receipts}) == 10


async def test_a_refused_call_makes_room_for_the_next(node, link, journal):
    node.automine = True

    def refuse(method, _params):
        if method == "eth_estimateGas" and node.asked.count(method) <= 2:
            raise RpcError(3, "execution reverted")

    node.refuse = refuse
    async with linked(link, most_under_way=1) as chain:
        tasks = transfers(chain, journal, 0, 4)
        async with asyncio.timeout(60):
            ended = await asyncio.gather(*tasks, return_exceptions=True)
    assert [isinstance(each, Exception) for each in ended] == [True, True, False, False]


async def test_what_ends_work_goes_before_what_begins_some():
    turns, order = Turns(1), []
    await turns.wait("first", Claim(()))
    task = TaskId(b"\x01" * 32)
    waiting = {
        "initialize": Initialize(((DealId(bytes(32)), 0),)),
        "claim": Claim((task,)),
        "finalize": Finalize(task, b"", b""),
    }

    async def take(purpose, call):
        await turns.wait(purpose, call)
        order.append(purpose)
        turns.leave(purpose)

    tasks = [asyncio.create_task(take(*each)) for each in waiting.items()]
    await asyncio.sleep(0)
    turns.leave("first")
    await asyncio.gather(*tasks)
    assert order == ["finalize", "claim", "initialize"]


async def test_who_stops_waiting_leaves_its_turn_to_the_next():
    turns = Turns(1)
    await turns.wait("first", Claim(()))
    tasks = [asyncio.create_task(turns.wait(name, Claim(()))) for name in ("second", "third")]
    await asyncio.sleep(0)
    turns.leave("first")
    tasks[0].cancel()  # its turn has come, and it does not know yet
    await asyncio.gather(tasks[0], return_exceptions=True)
    async with asyncio.timeout(1):
        await tasks[1]


# --------------------------------------------------------------------------------- nonces


async def test_a_nonce_waits_for_no_node(node, link, journal):
    async with linked(link) as chain:
        link.opened.clear()
        tasks = transfers(chain, journal, 0, 1)
        await settled()
        tasks += transfers(chain, journal, 1, 21)
        await settled()
        assert signed(journal) == 21
        assert link.batches == [1], "all are signed while the first is being broadcast"
        link.opened.set()
        async with asyncio.timeout(60):
            await node.pooled(21)
        assert link.batches == [1, 20], "and go in one batch"
        assert [tx.nonce for tx in node.taken] == list(range(21))
        await end(tasks)


async def test_a_gap_that_a_crash_left_is_filled(node, link, journal):
    """A refused transaction is forgotten; what was signed above it is not."""

    def refuse(method, _params):
        if method == SEND and node.asked.count(SEND) == 2:
            raise RpcError(-32000, "exceeds block gas limit")

    node.refuse = refuse
    async with linked(link) as chain:
        link.opened.clear()
        tasks = transfers(chain, journal, 0, 1)
        await settled()
        tasks += transfers(chain, journal, 1, 3)
        await settled()
        link.opened.set()
        async with asyncio.timeout(60):
            await node.pooled(2)
    await end(tasks)
    node.refuse = lambda *_: None
    assert sorted(nonce for _, nonce in node.pool) == [0, 2]
    async with linked(GatedLink(node)) as chain:
        sender = chain.sender(WALLET, journal.reopened())
        again = asyncio.create_task(sender.send("t:2", TransferRlc(STRANGER, NanoRlc(3))))
        async with asyncio.timeout(60):
            await node.pooled(3)
            node.mine()
            assert (await again).succeeded


def test_nonces_given_back_from_above_are_as_if_never_given():
    nonces = Nonces()
    for wanted in range(4):
        assert nonces.take() == wanted
    for nonce in (3, 2):
        nonces.give_back(nonce)
    assert (nonces.next, nonces.gaps) == (2, ())
    nonces.give_back(0)
    assert nonces.gaps == (0,)
    assert [nonces.take(), nonces.take()] == [0, 2]


def test_what_the_chain_has_passed_is_no_gap():
    nonces = Nonces()
    nonces.resume(3, [3, 5, 6])
    assert nonces.gaps == (4,)
    nonces.passed(6)
    assert (nonces.next, nonces.gaps) == (7, ())


# -------------------------------------------------------------------------------- batches


async def test_what_the_node_forgot_is_broadcast_again_in_one_batch(node, link, journal):
    async with linked(link) as chain:
        tasks = transfers(chain, journal, 0, 30)
        async with asyncio.timeout(60):
            await node.pooled(30)
        node.drop()
        link.batches.clear()
        heads = chain.watcher.heads()
        await anext(heads)
        for _ in range(REPEAT):
            node.mine()
            async with asyncio.timeout(60):
                await anext(heads)
            await settled()
        async with asyncio.timeout(60):
            await node.pooled(30)
        assert link.batches == [30]
        await end(tasks)


async def exchanges_per_block(journal, count):
    node = MemoryNode()
    node.chain.fund(WALLET.address, rlc=NanoRlc(10**6), coin=Wei(10**18))
    node.automine = False
    link = GatedLink(node)
    async with linked(link) as chain:
        tasks = transfers(chain, journal, 0, count)
        async with asyncio.timeout(60):
            await node.pooled(count)
        await settled()
        before = link.exchanges
        node.mine()
        async with asyncio.timeout(60):
            await asyncio.gather(*tasks)
        return link.exchanges - before


async def test_a_block_of_many_takes_as_many_requests_as_a_block_of_few():
    assert await exchanges_per_block(MemoryJournal(), 80) == await exchanges_per_block(
        MemoryJournal(), 8
    )


async def test_a_batch_whose_answer_is_lost_leaves_all_of_it_in_doubt_and_in_the_journal(
    node, link, journal
):
    async with linked(link) as chain:
        link.opened.clear()
        tasks = transfers(chain, journal, 0, 5)
        await settled()
        assert signed(journal) == 5
        link.after = link.breaks(SEND)
        link.opened.set()
        async with asyncio.timeout(60):
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, ChainUnreachable) for each in ended)
        link.after = lambda _methods: None
        assert signed(journal) == 5
        again = transfers(chain, journal, 0, 5)
        async with asyncio.timeout(60):
            await node.pooled(5)
            node.mine()
            receipts = await asyncio.gather(*again)
    assert all(receipt.succeeded for receipt in receipts)
    assert len(node.taken) == 5
