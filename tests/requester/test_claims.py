"""Claims: after the deadline, in batches, whoever else claims at the same time."""

from __future__ import annotations

import asyncio

import pytest
from bargains import bought, compute

from poolhand.chain.errors import NotClaimable
from poolhand.domain.onchain import ChainTaskStatus, Claim, Initialize
from poolhand.requester.claims import CLAIM_TRIES, TASKS_PER_CLAIM, NothingToClaim, NotYetClaimable
from poolhand.requester.watching import Outcome
from poolhand.transport.clock import ManualClock

RLC = 10**9
FAILED = ChainTaskStatus.FAILED


class Patient(ManualClock):
    """Counts what was waited for; nobody waits."""

    waited = 0.0

    async def sleep(self, seconds):
        self.waited += seconds
        await asyncio.sleep(0)


def claims_of(market, who):
    """Return the tasks of each claim that a wallet had mined."""
    return [
        mined.sent.call.tasks
        for mined in market.chain.mined()
        if isinstance(mined.sent.call, Claim)
        and mined.sent.sender == who.address
        and mined.refusal is None
    ]


def meanwhile(market, kind, act):
    """Let the pool act once, just before the requester's first call of a kind is sent."""
    left = [act]

    def before(sender, _purpose, call):
        if sender == market.wallet.address and isinstance(call, kind) and left:
            market.chain.submit(market.pool.owner.address, left.pop())

    market.chain.before_send = before


async def statuses(market, tasks):
    views = await market.chain.hub.tasks(dict.fromkeys(tasks, ()))
    return {view.status for view in views.values()}


async def test_a_price_comes_back_after_the_deadline_and_not_before(market):
    deal, tasks = await bought(market, tasks=3, initialize=False)
    requester = market.requester()
    with pytest.raises(NotYetClaimable, match=r"until 2023-11-14 .*in 50 minutes"):
        await requester.claim_deal(deal.deal_id)
    market.chain.mine(3000)
    claimed = await requester.claim_deal(deal.deal_id)
    assert len(claimed.receipts) == 2  # put on chain, then claimed
    assert set(claimed.tasks) == set(tasks)
    assert await statuses(market, tasks) == {FAILED}
    account = (await requester.balances()).account
    assert (account.stake, account.locked) == (100 * RLC, 0)


async def test_a_claim_may_be_repeated_and_sends_nothing_twice(market):
    deal, tasks = await bought(market, tasks=2)
    market.chain.mine(3000)
    await market.requester().claim_deal(deal.deal_id)
    again = await market.requester().claim_deal(deal.deal_id)
    assert (again.tasks, again.receipts) == ((), ())
    assert again.ended == dict.fromkeys(tasks, FAILED)
    one = await market.requester().claim_task(tasks[0])
    assert (one.receipts, one.ended) == ((), {tasks[0]: FAILED})
    assert len(claims_of(market, market.wallet)) == 1


async def test_only_what_is_unfinished_is_claimed(market):
    deal, (first, second) = await bought(market, tasks=2)
    await compute(market, first)
    market.chain.mine(3000)
    claimed = await market.requester().claim_deal(deal.deal_id)
    assert claimed.ended == {first: ChainTaskStatus.COMPLETED}
    progress = await market.requester().look(deal)
    assert [t.outcome for t in progress.tasks] == [Outcome.COMPLETED, Outcome.FAILED]
    with pytest.raises(NothingToClaim, match="COMPLETED"):
        await market.requester().claim_task(first)
    assert claims_of(market, market.wallet) == [(second,)]


async def test_many_tasks_are_claimed_in_few_transactions(market):
    deal, tasks = await bought(market, tasks=TASKS_PER_CLAIM + 6, initialize=False)
    market.chain.mine(3000)
    claimed = await market.requester().claim_deal(deal.deal_id)
    assert [len(each) for each in claims_of(market, market.wallet)] == [TASKS_PER_CLAIM, 6]
    assert len(claimed.receipts) == 4
    assert await statuses(market, tasks) == {FAILED}


async def test_a_task_that_the_pool_claims_first_is_left_out(market):
    deal, (first, *others) = await bought(market, tasks=3)
    market.chain.mine(3000)
    meanwhile(market, Claim, Claim((first,)))
    claimed = await market.requester().claim_deal(deal.deal_id)
    assert set(claimed.tasks) == set(others)
    assert claimed.ended == {first: FAILED}
    assert claims_of(market, market.wallet) == [tuple(others)]


async def test_it_is_no_error_when_the_pool_claims_everything_first(market):
    deal, tasks = await bought(market, tasks=2)
    market.chain.mine(3000)
    meanwhile(market, Claim, Claim(tuple(tasks)))
    claimed = await market.requester().claim_deal(deal.deal_id)
    assert (claimed.tasks, claimed.receipts) == ((), ())
    assert claimed.ended == dict.fromkeys(tasks, FAILED)


async def test_a_task_that_the_pool_initializes_first_is_claimed_all_the_same(market):
    deal, tasks = await bought(market, tasks=2, initialize=False)
    market.chain.mine(3000)
    meanwhile(market, Initialize, Initialize(((deal.deal_id, 0),)))
    claimed = await market.requester().claim_deal(deal.deal_id)
    assert set(claimed.tasks) == set(tasks)
    assert await statuses(market, tasks) == {FAILED}


async def test_a_refusal_that_nothing_explains_is_told_after_a_few_looks(market):
    deal, _ = await bought(market)
    market.chain.mine(3000)
    market.clock = Patient()
    asked = []

    def before(_sender, _purpose, call):
        if isinstance(call, Claim):
            asked.append(call)
            raise NotClaimable("no")

    market.chain.before_send = before
    with pytest.raises(NotClaimable):
        await market.requester().claim_deal(deal.deal_id)
    assert len(asked) == CLAIM_TRIES + 1
    assert market.clock.waited == CLAIM_TRIES - 1


async def test_what_ran_out_of_time_in_a_watch_is_claimed_in_one_transaction(market):
    deal, (first, *others) = await bought(market, tasks=3)
    await compute(market, first)
    market.chain.mine(3000)
    progress = await market.requester().look(deal)
    claimed = await market.requester().claim_late(progress, deal)
    assert set(claimed.tasks) == set(others)
    assert claims_of(market, market.wallet) == [tuple(others)]


async def test_a_task_never_put_on_chain_is_claimed_late_if_its_deal_is_known(market):
    deal, (task_id,) = await bought(market, initialize=False)
    market.chain.mine(3000)
    progress = await market.requester().look(deal)
    assert (await market.requester().claim_late(progress)).receipts == ()
    assert (await market.requester().claim_late(progress, deal)).tasks == (task_id,)


async def test_every_late_task_of_a_wallet_is_found_and_claimed(market):
    _, (done,) = await bought(market)
    _, old = await bought(market, tasks=2, args="old", initialize=False)
    await compute(market, done)
    market.chain.mine(3000)
    _, (young,) = await bought(market, args="young")
    claimed = await market.requester().claim_all()
    assert set(claimed.tasks) == set(old)
    assert (await market.requester().claim_all()).tasks == ()
    assert await statuses(market, [young]) == {ChainTaskStatus.ACTIVE}
    assert (await market.requester().balances()).account.locked == 2 * RLC


async def test_a_pool_owners_wallet_does_not_claim_what_it_would_lose(market):
    await bought(market)
    market.chain.mine(3000)
    owner = market.requester(market.pool.owner)
    assert (await owner.stakes()).stakes[0].is_due
    assert (await owner.claim_all()).tasks == ()
