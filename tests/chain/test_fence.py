"""A process that lost the lead broadcasts nothing: neither what is new nor what it signed before."""

from __future__ import annotations

import asyncio

import pytest

from memory_node import MemoryLink, MemoryNode, linked
from poolhand.domain.onchain import Deposit
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.ports.lead import LeadLost
from poolhand.store.memory import MemoryJournal

WALLET = Wallet.from_key(bytes([2] * 32))


class Fence:
    """Open as long as the test says so; counts who asks."""

    def __init__(self):
        self.is_open, self.asked = True, 0

    def check(self):
        self.asked += 1
        if not self.is_open:
            raise LeadLost("two took the lead")


@pytest.fixture
def node():
    made = MemoryNode()
    made.chain.fund(WALLET.address, rlc=NanoRlc(100), coin=Wei(10**20))
    return made


def sent(node):
    return len(node.chain.mined())


async def test_nothing_new_is_broadcast_after_the_lead_is_lost(node):
    fence, journal = Fence(), MemoryJournal()
    async with linked(MemoryLink(node)) as chain:
        sender = chain.sender(WALLET, journal, fence)
        await sender.send("deposit:1", Deposit(NanoRlc(1)))
        before, fence.is_open = sent(node), False
        with pytest.raises(LeadLost):
            await sender.send("deposit:2", Deposit(NanoRlc(2)))
        assert sent(node) == before
        assert not node.chain.pool
    assert fence.asked > 1


async def test_what_it_signed_is_sent_by_its_successor_once(node):
    fence, journal = Fence(), MemoryJournal()
    fence.is_open = False
    async with linked(MemoryLink(node)) as chain:
        with pytest.raises(LeadLost):
            await chain.sender(WALLET, journal, fence).send("deposit:1", Deposit(NanoRlc(1)))
    before = sent(node)
    async with linked(MemoryLink(node)) as chain:
        sender = chain.sender(WALLET, journal)
        async with asyncio.timeout(60):
            await sender.send("deposit:1", Deposit(NanoRlc(1)))
            await sender.send("deposit:1", Deposit(NanoRlc(1)))
    assert sent(node) == before + 1


async def test_a_deposed_leader_ends_and_does_not_try_again(node):
    """What it has under way is sent again at a start: its fence must end the program there."""
    fence, journal = Fence(), MemoryJournal()
    fence.is_open = False
    async with linked(MemoryLink(node)) as chain:
        with pytest.raises(LeadLost):
            await chain.sender(WALLET, journal, fence).send("deposit:1", Deposit(NanoRlc(1)))
    async with linked(MemoryLink(node)) as chain:
        chain.sender(WALLET, journal, fence)
        with pytest.raises(LeadLost):
            await heard(chain)


async def heard(chain):
    """Follow a chain as every part of the program does: whoever follows it is told why it ended."""
    async with asyncio.timeout(60):
        async for _ in chain.watcher.heads():
            pass
