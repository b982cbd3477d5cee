"""No transaction leaves before it is durable, whoever writes the journal and however late."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future
from contextlib import asynccontextmanager, suppress

import pytest

from memory_node import MemoryLink, MemoryNode, linked
from poolhand.chain.ledger import LEDGER_CODEC, LEDGER_PREFIX
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.onchain import TransferRlc
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.store.group import GroupCommit, grouped
from poolhand.store.memory import MemoryJournal
from poolhand.store.sql import SqlJournal

KEYED = Wallet.from_key(bytes([1] * 32))
CALL = TransferRlc(Address(b"\x55" * 20), NanoRlc(1))
SEND = "eth_sendRawTransaction"


class Killed(Exception):
    """The program ends here."""


class SlowWriter:
    """A thread that a test holds up: a commit is made when the test lets it be made."""

    def __init__(self):
        self.waiting = []

    def submit(self, work, *args):
        future = Future()
        self.waiting.append((future, work, args))
        return future

    def finish(self):
        future, work, args = self.waiting.pop(0)
        future.set_result(work(*args))


class MortalBatches(MemoryJournal):
    """Kills its user before or after a commit."""

    moment = "never"

    def commit(self, changes):
        if self.moment == "before":
            raise Killed
        super().commit(changes)
        if self.moment == "after":
            raise Killed


class WitnessedLink(MemoryLink):
    """A way that notes what is broadcast, and whether the journal had it by then."""

    def __init__(self, node, journal):
        super().__init__(node)
        self.journal, self.early, self.sent = journal, [], 0

    async def exchange(self, queries):
        out = {bytes.fromhex(q.params[0][2:]) for q in queries if q.method == SEND}
        self.sent += len(out)
        self.early += out - {each.raw for each in journaled(self.journal)}
        return await super().exchange(queries)


class CountingWallet:
    """Signs, and notes in which turn of the loop."""

    def __init__(self):
        self.address, self.turn, self.turns = KEYED.address, 0, []

    def sign_transaction(self, transaction):
        self.turns.append(self.turn)
        return KEYED.sign_transaction(transaction)


def journaled(journal):
    return [LEDGER_CODEC.decode(record) for _, record in journal.read(LEDGER_PREFIX)]


@pytest.fixture
def node():
    made = MemoryNode()
    made.chain.fund(KEYED.address, rlc=NanoRlc(10**6), coin=Wei(10**18))
    made.automine = False
    return made


async def settled():
    for _ in range(400):  # turns of the loop, and no time
        await asyncio.sleep(0)


@asynccontextmanager
async def sending(chain, log, count, wallet=KEYED):
    """Send so many transactions at once; those that are not done are given up at the end."""
    sender = chain.sender(wallet, log)
    tasks = [asyncio.create_task(sender.send(f"t:{n}", CALL)) for n in range(count)]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_nothing_is_broadcast_before_its_commit(node):
    journal, writer = MemoryJournal(), SlowWriter()
    log = GroupCommit(journal, writer)
    running = asyncio.create_task(log.run())
    async with linked(MemoryLink(node)) as chain, sending(chain, log, 3):
        await settled()
        assert not node.pool
        assert len(writer.waiting) == 1
        writer.finish()
        await settled()
        known = {each.raw for each in journaled(journal)}
        assert {tx.raw for tx in node.taken} <= known
        while writer.waiting:
            writer.finish()
            await settled()
        assert len(node.pool) == 3
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_slow_disk_makes_batches_larger_and_holds_up_no_signature(node):
    journal, writer = MemoryJournal(), SlowWriter()
    log = GroupCommit(journal, writer)
    running = asyncio.create_task(log.run())
    async with linked(WitnessedLink(node, journal)) as chain, sending(chain, log, 30):
        await settled()
        signed = sum(len(group.changes) for group in log._waiting) + len(writer.waiting[0][2][0])
        assert signed == 30
        commits = 0
        while writer.waiting:
            writer.finish()
            commits += 1
            await settled()
        assert commits <= 3
        assert len(node.pool) == 30
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_repeated_or_replaced_is_durable_too(node, tmp_path):
    journal = SqlJournal(f"sqlite:///{tmp_path}/pool.db")
    link = WitnessedLink(node, journal)
    async with (
        grouped(journal) as log,
        linked(link) as chain,
        sending(chain, log, 20) as tasks,
        asyncio.timeout(60),
    ):
        await node.pooled(20)
        node.base_fee *= 4  # what waits is too cheap, and is replaced
        while len({(tx.nonce, tx.max_fee) for tx in node.taken}) < 40:
            node.mine()
            await settled()
        node.mine()
        await asyncio.gather(*tasks)
    assert link.sent > 20
    assert not link.early
    journal.close()


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_pool_that_ends_around_a_commit_sends_once_in_all(node, moment):
    journal, link = MortalBatches(), MemoryLink(node)
    journal.moment = moment
    with suppress(ExceptionGroup, Killed, ChainUnreachable):
        async with grouped(journal) as log, linked(link) as chain, sending(chain, log, 3) as tasks:
            await asyncio.gather(*tasks)
    assert not node.pool, "what was not known to be durable did not leave"
    left = {each.raw for each in journaled(journal)}
    assert bool(left) == (moment == "after")

    fresh = journal.reopened()
    link = WitnessedLink(node, fresh)
    async with grouped(fresh) as log, linked(link) as chain, sending(chain, log, 3) as tasks:
        async with asyncio.timeout(60):
            await node.pooled(3)
        node.mine()
        assert all(each.succeeded for each in await asyncio.gather(*tasks))
    assert node.sent_by(KEYED.address) == 3
    assert left <= {tx.raw for tx in node.taken}
    assert not link.early


async def test_one_signature_is_made_per_turn_of_the_loop(node):
    wallet = CountingWallet()

    async def count():
        while True:
            wallet.turn += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    journal = MemoryJournal()
    async with linked(MemoryLink(node)) as chain:
        async with sending(chain, journal, 0, wallet):
            await settled()  # it has nothing to recover
        async with sending(chain, journal, 50, wallet), asyncio.timeout(60):
            await node.pooled(50)
    counting.cancel()
    assert len(set(wallet.turns)) == len(wallet.turns) == 50
