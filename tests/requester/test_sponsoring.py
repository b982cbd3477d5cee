"""A sponsor pays for a purchase: it sends, the buyer signs, refunds are the sponsor's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolhand.domain.errors import StakeTooLow
from poolhand.domain.onchain import ChainTaskStatus, Deposit
from poolhand.domain.orders.model import MatchOrders, SponsorMatch
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.wallet import Wallet
from poolhand.requester.sponsoring import BadSponsor, PayerChanged
from requester_market import RLC

COMPANY = Wallet.from_key(bytes([77] * 32))


class Crash(BaseException):
    """The program dies."""


@pytest.fixture
async def sponsored(market):
    """A market whose buyer has an app, and neither stake nor coin; a company has both."""
    await market.app()
    state, buyer = market.chain.state, market.wallet.address
    state.stake[buyer] = state.rlc[buyer] = 0
    market.chain.fund(COMPANY.address, stake=10 * RLC, rlc=NanoRlc(5 * RLC), coin=Wei(10**18))
    return market


def stakes(market):
    state = market.chain.state
    return state.stake_of(COMPANY.address), state.stake_of(market.wallet.address)


def matches(market):
    mined = [each.sent for each in market.chain.mined()]
    return [each for each in mined if isinstance(each.call, MatchOrders | SponsorMatch)]


async def test_the_sponsors_stake_pays_and_the_deal_is_the_buyers(sponsored):
    bought = await sponsored.requester().buy(await sponsored.wish(tasks=2), sponsor=COMPANY)
    deal = bought.deal
    assert (deal.sponsor, deal.requester) == (COMPANY.address, sponsored.wallet.address)
    assert deal.beneficiary == sponsored.wallet.address
    assert stakes(sponsored) == (6 * RLC, 0)
    (sent,) = matches(sponsored)
    assert (sent.sender, type(sent.call)) == (COMPANY.address, SponsorMatch)


async def test_what_a_failed_task_gives_back_goes_to_the_sponsor(sponsored):
    requester = sponsored.requester()
    bought = await requester.buy(await sponsored.wish(), sponsor=COMPANY)
    assert stakes(sponsored) == (8 * RLC, 0)
    (_, task) = next(bought.deal.tasks())
    category = sponsored.chain.state.categories[0]
    sponsored.chain.mine_until(bought.deal.start_time + 10 * category.time_ref)
    claimed = await sponsored.requester(COMPANY).claim_deal(bought.deal.deal_id)
    assert claimed
    assert sponsored.chain.state.view(task).status is ChainTaskStatus.FAILED
    assert stakes(sponsored) == (10 * RLC, 0)


async def test_a_sponsor_who_cannot_pay_is_told_before_anything_is_signed(sponsored):
    sponsored.chain.state.stake[COMPANY.address] = RLC
    asked = []

    class Watched(Wallet):
        def sign_order(self, domain, order):
            asked.append(order)
            return super().sign_order(domain, order)

    watched = Watched.from_key(bytes([1] * 32))
    assert watched.address == sponsored.wallet.address
    with pytest.raises(StakeTooLow, match=rf"{COMPANY.address} has 1 RLC .* lacks 1 for"):
        await sponsored.requester(watched).buy(await sponsored.wish(), sponsor=COMPANY)
    assert asked == []
    bought = await sponsored.requester().buy(await sponsored.wish(), sponsor=COMPANY, deposit=True)
    assert bought.deal.sponsor == COMPANY.address
    assert stakes(sponsored) == (0, 0)
    deposits = [m.sent for m in sponsored.chain.mined() if isinstance(m.sent.call, Deposit)]
    assert deposits[-1].sender == COMPANY.address


async def test_nobody_sponsors_oneself(sponsored):
    with pytest.raises(BadSponsor):
        await sponsored.requester().buy(await sponsored.wish(), sponsor=sponsored.wallet)


async def test_no_pool_is_asked_to_send_what_a_sponsor_pays(sponsored):
    sponsored.pool.sends = {"fee": 0, "most_params": 1024}
    bought = await sponsored.requester().buy(
        await sponsored.wish(), sponsor=COMPANY, by_signature=None
    )
    assert (sponsored.pool.handed_in, bought.sent_by) == ([], None)
    assert bought.deal.sponsor == COMPANY.address


async def test_a_purchase_that_was_cut_off_is_paid_once_and_by_nobody_else(sponsored):
    wish = await sponsored.wish()

    def die(*_):
        sponsored.chain.after_send = None
        raise Crash

    sponsored.chain.after_send = die
    with pytest.raises(Crash):
        await sponsored.requester().buy(wish, sponsor=COMPANY)
    sponsored.chain.after_send = None
    made = len(matches(sponsored))
    bought = await sponsored.requester().buy(wish, sponsor=COMPANY)
    assert bought.resumed
    assert (made, len(matches(sponsored))) == (1, 1)
    assert stakes(sponsored) == (8 * RLC, 0)


async def test_what_a_sponsor_was_to_pay_is_not_paid_by_the_buyer_instead(sponsored):
    wish = await sponsored.wish()

    def die(*_):
        raise Crash

    sponsored.chain.before_send = die
    with pytest.raises(Crash):
        await sponsored.requester().buy(wish, sponsor=COMPANY)
    sponsored.chain.before_send = None
    sponsored.chain.fund(sponsored.wallet.address, stake=10 * RLC)
    with pytest.raises(PayerChanged, match=f"--sponsor {COMPANY.address}"):
        await sponsored.requester().buy(wish)
    assert matches(sponsored) == []
    bought = await sponsored.requester().buy(wish, sponsor=COMPANY)
    assert bought.deal.sponsor == COMPANY.address
    other = replace(wish, args="another")
    assert (await sponsored.requester().buy(other)).deal.sponsor == sponsored.wallet.address
