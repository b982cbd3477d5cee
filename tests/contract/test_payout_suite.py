"""A worker's owner is paid by the fake chain and by the real contracts alike, to the nRLC."""

from __future__ import annotations

from hub_world import RLC

from poolhand.domain.movements import MovementKind as K
from poolhand.domain.onchain import Deposit
from poolhand.domain.payout import PayoutTerms
from poolhand.domain.units import DAY, NanoRlc
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.store.memory import MemoryJournal
from poolhand.transport.clock import ManualClock
from poolhand.worker.payouts import Payouts
from poolhand.worker.worker_wallet import WorkerWallet


async def test_a_payment_leaves_what_is_kept_and_a_program_started_again_pays_no_second_time(world):
    worker, home = world.workers[0], world.owner.address
    await world.send(worker, Deposit(NanoRlc(5 * RLC)))
    before, had = await world.total(), (await world.hub.rlc_balances([home]))[home]
    free, _ = await world.stake(worker)
    keep, journal, clock = NanoRlc(free - 3 * RLC), MemoryJournal(), ManualClock()
    sender = world.sender(worker)

    async def at_head():
        head = await world.hub.head()
        return head, (await world.hub.accounts([worker.address], at=head))[worker.address]

    def started():
        wallet = WorkerWallet(worker.address, sender, {})
        retry = ChainRetry(clock, chain_outage("the worker"))
        terms = PayoutTerms(keep, NanoRlc(RLC), DAY)
        made = Payouts(
            home, lambda: terms, wallet, at_head, lambda: NanoRlc(0), retry, journal, clock,
            FaultBoundary(),
        )  # fmt: skip
        made.recover()
        return made

    payouts = started()
    await payouts.look()
    last = payouts.book.last
    assert (await world.stake(worker))[0] == keep
    assert (await world.hub.rlc_balances([home]))[home] - had == last.amount == 3 * RLC
    moved = await world.hub.money_of(worker.address, last.block, last.block)
    assert [(each.kind, each.amount) for each in moved] == [(K.WITHDRAWAL, 3 * RLC)]

    # as though it had died before it wrote down that it was mined
    (intended,) = [event for _, event in journal.read() if event["t"] == "PayoutIntended"]
    journal.forget("1")
    journal.append("1", intended)
    again = started()
    await again.look()
    assert again.book.last.tx_hash == last.tx_hash
    assert (await world.stake(worker))[0] == keep
    assert await world.total() == before
