"""A worker pays its owner: once, whatever ends the program, and leaves what it needs."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from network.fuses import Crash, Fuse, Fused
from poolhand.chain.fake import FakeChain
from poolhand.domain.errors import OutOfGas
from poolhand.domain.gas_reserve import REVEAL_GAS
from poolhand.domain.ids import Address
from poolhand.domain.onchain import WithdrawTo
from poolhand.domain.payout import PAUSE_AFTER_DROPPED_PAYOUT, PayoutTerms
from poolhand.domain.units import DAY, NANO_PER_RLC, NanoRlc, Wei
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import ManualClock
from poolhand.worker.payouts import PAUSE_BETWEEN_PAYOUT_LOOKS, PAYOUTS_JOURNALED, Payouts
from poolhand.worker.worker_wallet import WorkerWallet

RLC = NANO_PER_RLC
WORKER, HOME = Address(b"\x01" * 20), Address(b"\x02" * 20)
KEEP, LEAST = NanoRlc(100 * RLC), NanoRlc(RLC)


class FusedStreams:
    """A journal that dies before or after it has written."""

    def __init__(self, journal, fuse):
        self.journal, self._fuse = journal, fuse

    def append(self, stream, event):
        self._fuse.point(f"before append {event['t']}")
        self.journal.append(stream, event)
        self._fuse.point(f"after append {event['t']}")

    def forget(self, stream):
        self._fuse.point("before forget")
        self.journal.forget(stream)
        self._fuse.point("after forget")

    def read(self, prefix=""):
        return self.journal.read(prefix)

    def close(self):
        """Leave it."""


class Lab:
    """A worker's payments over a fake chain whose blocks come at once, and a clock at rest."""

    def __init__(self, stake=150 * RLC, at=()):
        self.chain, self.clock = FakeChain(), ManualClock()
        self.chain.fund(WORKER, stake=stake, coin=Wei(10**18))
        self.total = self.chain.total_nrlc()
        self.reach, self.journal, self.fuse = self.chain.reach(), MemoryJournal(), Fuse()
        self.fuse.at = frozenset(at)
        self.chain.after_send = lambda *_: self.fuse.point("broadcast")
        self.terms, self.needed, self.to = PayoutTerms(KEEP, LEAST, DAY), NanoRlc(0), HOME
        self.contained, self.moved = [], []

    def start(self) -> Payouts:
        """Put it together anew, as a program that is started does."""
        sender = Fused(self.reach.sender(WORKER), self.fuse, "send")
        wallet = WorkerWallet(WORKER, sender, {})
        retry = ChainRetry(self.clock, chain_outage("the worker"))
        found = FusedStreams(self.journal, self.fuse)
        made = Payouts(
            self.to, lambda: self.terms, wallet, self.at_head, lambda: self.needed, retry, found,
            self.clock, FaultBoundary(), self.moved.append,
        )  # fmt: skip
        made.recover()
        return made

    async def at_head(self):
        head = await self.reach.hub.head()
        return head, (await self.reach.hub.accounts([WORKER], at=head))[WORKER]

    async def looks(self, days=1) -> Payouts:
        """Look once a day, started again whenever the program has died."""
        payouts = None
        for _ in range(days):
            for _ in range(20):
                with suppress(Crash):
                    payouts = payouts or self.start()
                    await payouts.look()
                    break
                self.fuse.is_blown, payouts = False, None
                self.journal = self.journal.reopened()
            self.clock.advance(DAY)
        return payouts

    def earns(self, amount):
        """Let the worker be paid from outside."""
        self.chain.fund(WORKER, stake=amount)
        self.total += amount

    @property
    def stake(self):
        return self.chain.state.stake_of(WORKER)

    @property
    def paid(self):
        return self.chain.state.rlc_of(HOME)

    def sent(self):
        return [m for m in self.chain.mined() if isinstance(m.sent.call, WithdrawTo)]


async def test_what_is_above_the_kept_stake_goes_to_the_owner():
    lab = Lab()
    payouts = await lab.looks()
    assert (lab.stake, lab.paid) == (KEEP, 50 * RLC)
    told = payouts.show()
    assert told["to"] == str(HOME)
    assert (told["paid_nrlc"], told["last"]["nrlc"]) == (50 * RLC, 50 * RLC)
    assert told["last"]["tx"] == str(lab.sent()[0].receipt.tx_hash)
    assert told["problem"] is None
    assert [each.stake for each in lab.moved] == [KEEP], "who shows the stake is told at once"
    assert lab.chain.total_nrlc() == lab.total


async def test_it_is_paid_no_more_often_than_the_owner_says():
    lab = Lab()
    payouts = await lab.looks(days=0) or lab.start()
    await payouts.look()
    lab.earns(20 * RLC)
    lab.clock.advance(DAY - 1)
    await payouts.look()
    assert lab.paid == 50 * RLC
    lab.clock.advance(1)
    await payouts.look()
    assert (lab.paid, payouts.show()["paid_nrlc"]) == (70 * RLC, 70 * RLC)


async def test_stake_that_a_task_will_lock_stays_and_nothing_goes_while_that_is_unknown():
    lab = Lab()
    lab.needed = None
    await lab.looks()
    assert lab.sent() == []
    lab.needed = NanoRlc(130 * RLC)
    await lab.looks()
    assert lab.paid == 20 * RLC


async def test_nobody_is_paid_before_the_kept_stake_is_told_and_the_owner_is_asked_for_it():
    lab = Lab()
    lab.terms = PayoutTerms(None, LEAST, DAY)
    payouts = await lab.looks()
    assert lab.sent() == []
    assert "payout-keep=" in payouts.show()["problem"]
    lab.to = None
    assert (await lab.looks()).show() is None


@pytest.mark.parametrize("days", [1, PAYOUTS_JOURNALED + 2])
async def test_a_program_killed_at_any_point_pays_the_same_once(days):
    async def play(at):
        lab = Lab(at=at)
        for _ in range(days):
            await lab.looks()
            lab.earns(2 * RLC)
        return lab

    wanted = await play(())
    points = list(wanted.fuse.trace)
    assert "broadcast" in points
    assert wanted.paid == (50 + 2 * (days - 1)) * RLC
    for number in range(1, len(points) + 1, 1 if days == 1 else 7):
        lab = await play([number])
        assert (lab.paid, len(lab.sent())) == (wanted.paid, days), points[number - 1]
        assert lab.chain.total_nrlc() == lab.total
        assert lab.start().book == wanted.start().book, points[number - 1]
    assert len({stream for stream, _ in wanted.journal.read()}) <= PAYOUTS_JOURNALED + 1


async def test_what_is_open_is_finished_though_the_owner_has_named_nobody_since():
    lab = Lab(at=[2])
    with pytest.raises(Crash):
        await lab.start().look()
    lab.fuse.is_blown, lab.to = False, None
    running = asyncio.create_task(lab.start().keep_paying())
    for _ in range(5):
        await asyncio.sleep(0)
        lab.clock.advance(PAUSE_BETWEEN_PAYOUT_LOOKS)
    await running
    assert lab.paid == 50 * RLC


async def test_without_gas_it_is_told_and_tried_again_later():
    lab = Lab()
    lab.chain.gas_price = 10
    lab.chain.state.add_coin(WORKER, -(10**18))
    payouts = await lab.looks(days=0) or lab.start()
    await payouts.look()
    assert lab.sent() == []
    assert "coin" in payouts.show()["problem"]
    lab.chain.fund(WORKER, coin=Wei(10**18))
    await payouts.look()
    assert lab.sent() == [], "not at once: the same may come again"
    lab.clock.advance(PAUSE_AFTER_DROPPED_PAYOUT)
    await payouts.look()
    assert lab.paid == 50 * RLC
    assert payouts.show()["problem"] is None


async def test_the_gas_of_reveals_owed_is_left_alone():
    lab = Lab()
    lab.chain.gas_price = 10
    sender, asked = lab.reach.sender(WORKER), []

    class Owing(WorkerWallet):
        @property
        def owed(self):
            return 3

        async def send(self, purpose, call, reserve=Wei(0)):
            asked.append(reserve)
            raise OutOfGas("send it coins")

    payouts = lab.start()
    payouts._wallet = Owing(WORKER, sender, {})
    await payouts.look()
    assert asked == [3 * REVEAL_GAS * 10]


async def test_a_node_that_lags_behind_the_last_payment_is_not_believed():
    lab = Lab()
    payouts = lab.start()
    before = await lab.at_head()
    await payouts.look()
    lab.clock.advance(DAY)

    async def old():
        return before

    payouts._at_head = old
    await payouts.look()
    assert (lab.paid, len(lab.sent())) == (50 * RLC, 1)
