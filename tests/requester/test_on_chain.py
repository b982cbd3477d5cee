"""The requester on the real contracts: registered, bought, claimed, with nothing faked but orders."""

from __future__ import annotations

import asyncio

import pytest

from asked_registry import registry
from chain_fixtures import WALLETS
from poolhand.chain import connect
from poolhand.domain.eip712 import order_domain
from poolhand.domain.errors import StakeTooLow
from poolhand.domain.tag import NO_TAG
from poolhand.domain.trust import Trust
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.requester.claims import TASKS_PER_CLAIM
from poolhand.requester.requester import Requester
from poolhand.requester.watching import Outcome
from poolhand.requester.wish import Wish
from poolhand.settings.requester import RequesterSettings
from poolhand.transport.clock import SystemClock, SystemEntropy
from requester_market import IMAGE, FakePool, client

RLC = NANO_PER_RLC
pytestmark = pytest.mark.chain


class OrderBook:
    """What a ``FakePool`` needs of a chain to sign orders for it."""

    def __init__(self, facts):
        self.facts, self.domain = facts, order_domain(facts.chain_id, facts.hub)


async def test_a_purchase_from_image_to_claim_on_the_real_contracts(anvil, tmp_path):
    settings = anvil.settings()
    buyer, owner = WALLETS[0], WALLETS[1]

    def requester(wallet, chain, http):
        mine = RequesterSettings(settings, state=tmp_path / "state", locks=tmp_path / "locks")
        return Requester(
            chain,
            lambda: connect(settings),
            http,
            mine,
            wallet,
            SystemClock(),
            SystemEntropy(),
            lambda _url: None,
        )

    async with connect(settings) as chain, client(**{"127_0_0_1": registry()}) as http:
        seller, ours = requester(owner, chain, http), requester(buyer, chain, http)
        pool = await seller.create_pool("a pool", 20, 5)
        assert not (await seller.create_pool("a pool", 20, 5)).is_new
        assert (await seller.workerpool(pool.address)).worker_stake_percent == 20
        await seller.deposit(NanoRlc(50 * RLC))

        async with ours.spending():
            app = await ours.deploy_app(IMAGE)
            assert app.is_new
            assert not (await ours.deploy_app(IMAGE)).is_new

        order = FakePool(OrderBook(chain.facts), owner, pool.address).sell(0, 10, str(NO_TAG))
        wish = Wish(app.address, args="--top 5", trust=Trust(10), tasks=2, workerpool_order=order)
        with pytest.raises(StakeTooLow, match="account deposit 4"):
            await ours.buy(wish)
        bought = await ours.buy(wish, deposit=True)
        assert (bought.deal.bot_size, bought.deal.trust, bought.deal.price) == (2, 10, 2 * RLC)
        balances = await ours.balances()
        assert (balances.account.stake, balances.account.locked) == (0, 4 * RLC)

        again = await ours.buy(wish, deposit=True)
        assert again.deal.deal_id != bought.deal.deal_id

        await anvil.advance(3000)
        claimed = await ours.claim_deal(bought.deal.deal_id)
        assert len(claimed.tasks) == len(claimed.receipts) == 2  # put on chain, then claimed
        assert (await ours.claim_deal(bought.deal.deal_id)).receipts == ()
        await ours.claim_all()
        progress = await ours.look(bought.deal)
        assert [task.outcome for task in progress.tasks] == [Outcome.FAILED] * 2
        assert (await ours.balances()).account.stake == 8 * RLC
        await ours.withdraw(NanoRlc(8 * RLC))
        assert (await ours.balances()).account.stake == 0


SMALLEST_BLOCK = 6_700_000
"""Gas of a block on Bellecour."""


async def test_many_late_tasks_are_claimed_in_two_transactions_though_the_pool_claims_too(
    anvil, tmp_path
):
    settings = anvil.settings()
    buyer, owner = WALLETS[0], WALLETS[1]

    def requester(wallet, chain, http, at=settings):
        mine = RequesterSettings(at, state=tmp_path / "state", locks=tmp_path / "locks")
        return Requester(
            chain, lambda: connect(at), http, mine, wallet, SystemClock(), SystemEntropy(),
            lambda _url: None,
        )  # fmt: skip

    async with connect(settings) as chain, client(**{"127_0_0_1": registry()}) as http:
        seller, ours = requester(owner, chain, http), requester(buyer, chain, http)
        pool = await seller.create_pool("a pool")
        await seller.deposit(NanoRlc(50 * RLC))
        app = await ours.deploy_app(IMAGE)
        order = FakePool(OrderBook(chain.facts), owner, pool.address).sell(0, 1, str(NO_TAG))
        wish = Wish(app.address, tasks=TASKS_PER_CLAIM + 2, workerpool_order=order)
        deal = (await ours.buy(wish, deposit=True)).deal
        assert (await ours.stakes()).other == 0
        assert len((await ours.stakes()).stakes) == TASKS_PER_CLAIM + 2
        await anvil.advance(3000)

        progress = await ours.look(deal)
        assert {task.outcome for task in progress.tasks} == {Outcome.TIMED_OUT}
        mine, theirs = await asyncio.gather(
            ours.claim_late(progress, deal), seller.claim_deal(deal.deal_id)
        )
        assert {*mine.tasks} | {*theirs.tasks} == {task_id for _, task_id in deal.tasks()}
        assert not {*mine.tasks} & {*theirs.tasks}
        for receipt in (*mine.receipts, *theirs.receipts):
            assert receipt.gas_used < SMALLEST_BLOCK
        progress = await ours.look(deal)
        assert {task.outcome for task in progress.tasks} == {Outcome.FAILED}
        assert (await ours.balances()).account.locked == 0
