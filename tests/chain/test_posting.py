"""What is posted together over a node in memory: one batch, gas for all, and every crash."""

from __future__ import annotations

import pytest
from hub_world import Market, World
from wallet_world import ended, funded

from memory_node import MemoryLink, MemoryNode, linked
from poolhand.domain.errors import ChainUnreachable, OutOfGas
from poolhand.domain.hashes import deal_id
from poolhand.domain.onchain import ChainTaskStatus, Initialize
from poolhand.domain.orders.eip712 import order_hash
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.units import NANO_PER_RLC, Gas, NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.ports.chain import FollowUp
from poolhand.store.memory import MemoryJournal

SEND = "eth_sendRawTransaction"
WALLETS = [Wallet.from_key(bytes([number] * 32)) for number in range(1, 8)]
REQUESTER, OWNER = WALLETS[:2]


class Killed(Exception):
    """The program ends here."""


class CountedJournal(MemoryJournal):
    """Kills its user at its ``last`` record, before it is written or after."""

    def __init__(self) -> None:
        super().__init__()
        self.last, self.moment, self.count = 0, "before", 0

    def append(self, stream, event) -> None:
        self.count += 1
        is_last = self.count == self.last
        if is_last and self.moment == "before":
            raise Killed
        super().append(stream, event)
        if is_last:
            raise Killed


class Stand:
    """A node with a market, and orders that nobody has matched yet."""

    def __init__(self) -> None:
        self.node = funded(MemoryNode())
        for wallet in WALLETS:
            rlc = NanoRlc(10_000 * NANO_PER_RLC)
            self.node.chain.fund(wallet.address, rlc=rlc, coin=Wei(10**18))
        self.link, self.journal = MemoryLink(self.node), CountedJournal()
        self.journals = {}

    def sender(self, chain):
        def of(wallet):
            kept = self.journals.setdefault(wallet.address, MemoryJournal())
            return chain.sender(wallet, kept)

        return of

    async def opened(self, chain):
        world = World(chain.hub, chain.watcher, WALLETS, self.sender(chain), None, None)
        market = await Market.open(world)
        self.orders = market.orders()
        self.name = deal_id(order_hash(world.domain, self.orders.request.order), 0)
        self.node.automine = False
        return self

    @property
    def rest(self):
        return FollowUp(f"initialize:{self.name}", Initialize(((self.name, 0),)), Gas(400_000))

    async def post(self, chain, journal=None):
        sender = chain.sender(OWNER, journal or self.journals[OWNER.address])
        return await ended(sender.post(f"match:{self.name}", self.orders, [self.rest]))

    def matches(self):
        mined = self.node.chain.mined()
        return [each for each in mined if isinstance(each.sent.call, MatchOrders)]

    def refused(self):
        return [each.sent.call for each in self.node.chain.mined() if each.refusal is not None]

    def task(self):
        ((_, task),) = self.node.chain.state.deals[self.name].tasks()
        return self.node.chain.state.view(task)


async def test_both_leave_in_one_batch_and_in_order():
    stand, batches = Stand(), []
    stand.link.before = batches.append
    async with linked(stand.link) as chain:
        await stand.opened(chain)
        batches.clear()
        await stand.post(chain)
        assert [SEND, SEND] in batches
        assert [nonce for _, nonce in stand.node.pool] == sorted(n for _, n in stand.node.pool)
        stand.node.mine()
    assert stand.task().status is ChainTaskStatus.ACTIVE
    assert not stand.refused()


async def test_gas_is_asked_for_all_of_it_before_anything_is_signed():
    stand = Stand()
    async with linked(stand.link) as chain:
        await stand.opened(chain)
        sender = chain.sender(OWNER, stand.journals[OWNER.address])
        means = await sender.means()
        has = stand.node.chain.state.coin_of(OWNER.address)
        enough_for_one = Wei(means.price * 200_000)
        stand.node.chain.fund(OWNER.address, coin=Wei(enough_for_one - has))
        with pytest.raises(OutOfGas, match=f"match:{stand.name}"):
            await stand.post(chain)
    assert not stand.node.pool


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("record", [1, 2])
async def test_a_sender_killed_while_it_writes_down_buys_once(record, moment):
    stand = Stand()
    async with linked(stand.link) as chain:
        await stand.opened(chain)
        journal = stand.journals[OWNER.address]
    killing = CountedJournal()
    for stream, event in journal.read():
        MemoryJournal.append(killing, stream, event)
    killing.last, killing.moment = record, moment
    async with linked(stand.link) as chain:
        with pytest.raises(Killed):
            await stand.post(chain, killing)
    await goes_on(stand, killing)


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_sender_whose_answer_is_lost_buys_once(moment):
    stand = Stand()
    async with linked(stand.link) as chain:
        await stand.opened(chain)
        setattr(stand.link, moment, stand.link.breaks(SEND))
        with pytest.raises(ChainUnreachable):
            await stand.post(chain)
    await goes_on(stand, stand.journals[OWNER.address])


async def goes_on(stand, journal):
    """Start again on what a disk would hold, and want the same: one deal, one beginning."""
    stand.link.before = stand.link.after = lambda _methods: None
    async with linked(stand.link) as chain:
        kept = journal.reopened()
        sender = chain.sender(OWNER, kept)
        await stand.post(chain, kept)
        stand.node.mine()
        assert (await ended(sender.outcome(f"match:{stand.name}"))).succeeded
        first = await ended(sender.outcome(stand.rest.purpose))
        if first is None:  # it was not written down: it is sent as it would be without a posting
            stand.node.automine = True
            await ended(sender.send(stand.rest.purpose, stand.rest.call))
    assert len(stand.matches()) == 1
    assert not stand.refused()
    assert stand.task().status is ChainTaskStatus.ACTIVE
