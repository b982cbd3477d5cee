"""Buying by signature alone: the pool sends it where it offers that, and it is bought once."""

from __future__ import annotations

import pytest
from test_buying import Crash, die

from poolhand.domain.errors import OutOfGas
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.units import Wei
from poolhand.requester.handing_in import BLOCKS_AWAITED_IN_SILENCE, HANDING_IN_TRIES, NobodySends
from poolhand.transport.clock import ManualClock
from requester_market import POOL_URL

FOR_NOTHING = {"fee": 0, "most_params": 1024}


class Hasty(ManualClock):
    """A clock at which no pause takes any time; ``pauses`` counts them."""

    pauses = 0

    async def sleep(self, seconds):
        del seconds
        self.pauses += 1


@pytest.fixture
async def bargain(market):
    """A market whose pool sends purchases for nothing; the requester has no coin, and gas costs."""
    market.clock, market.pool.sends = Hasty(), FOR_NOTHING
    market.made = await market.wish()
    market.chain.fund(market.pool.owner.address, coin=Wei(10**9))
    market.chain.gas_price = Wei(1)
    return market


def senders(market):
    """Return who sent the matches that are mined, the refused ones included."""
    mined = market.chain.mined()
    return [each.sent.sender for each in mined if isinstance(each.sent.call, MatchOrders)]


async def buy(market, **how):
    return await market.requester().buy(market.made, **{"by_signature": None, **how})


async def test_whoever_has_no_coin_buys_all_the_same(bargain):
    bought = await buy(bargain)
    assert (bought.sent_by, bought.receipt, bought.resumed) == (POOL_URL, None, False)
    assert senders(bargain) == [bargain.pool.owner.address]
    assert bought.deal.requester == bought.deal.sponsor == bargain.wallet.address
    assert (await buy(bargain)).deal.deal_id != bought.deal.deal_id  # the journal is clean again


async def test_what_the_pool_refuses_this_wallet_sends_and_says_why(bargain):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    bargain.pool.will_not_send = (429, "too-many-purchases", "60 purchases were sent: wait")
    bought = await buy(bargain)
    assert "60 purchases were sent" in bought.why_not_by_pool
    assert (bought.sent_by, senders(bargain)) == (None, [bargain.wallet.address])
    assert len(bargain.pool.handed_in) == 1


async def test_without_coin_a_refusal_says_who_must_act_and_the_same_again_goes_on(bargain):
    bargain.pool.will_not_send = (409, "purchase-unfit", "the requester's free stake is too low")
    with pytest.raises(NobodySends, match=r"free stake is too low.*send it at least") as caught:
        await buy(bargain)
    assert isinstance(caught.value.__cause__, OutOfGas)
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    assert (await buy(bargain)).resumed
    assert senders(bargain) == [bargain.wallet.address]
    assert len(bargain.pool.handed_in) == 1  # it is ours to send since the pool refused


async def test_a_pool_that_does_not_answer_is_asked_again_and_then_done_without(bargain):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    bargain.pool.will_not_send = (503, "pool-out-of-gas", "its owner must send it coins")
    bought = await buy(bargain)
    assert "must send it coins" in bought.why_not_by_pool
    assert len(bargain.pool.handed_in) == HANDING_IN_TRIES
    assert bargain.clock.pauses <= HANDING_IN_TRIES * BLOCKS_AWAITED_IN_SILENCE
    assert senders(bargain) == [bargain.wallet.address]


async def test_what_the_pool_sent_after_all_is_bought_though_our_own_match_came_too_late(bargain):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    bargain.pool.will_not_send = (503, "pool-out-of-gas", "its owner must send it coins")
    owner = bargain.pool.owner.address

    def be_quicker(_sender, _purpose, call):
        bargain.chain.before_send = None
        bargain.chain.submit(owner, call)

    bargain.chain.before_send = be_quicker
    bought = await buy(bargain)
    assert (bought.receipt, bargain.deals, senders(bargain)) == (None, 1, [owner])
    assert bought.why_not_by_pool == ""  # it is not this wallet that sent it
    bargain.pool.will_not_send = None
    assert not (await buy(bargain)).resumed  # the journal is clean again


async def test_a_lost_answer_of_a_pool_that_sent_it_buys_once(bargain):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))

    def break_off():
        raise ConnectionError

    bargain.pool.after_sending = break_off
    with pytest.raises(ConnectionError):
        await buy(bargain)
    bargain.pool.after_sending = lambda: None
    assert (await buy(bargain)).resumed
    assert senders(bargain) == [bargain.pool.owner.address]


@pytest.mark.parametrize("moment", ["before_sending", "after_sending"])
async def test_a_crash_around_the_handing_in_buys_once(bargain, moment):
    setattr(bargain.pool, moment, die)
    with pytest.raises(Crash):
        await buy(bargain)
    setattr(bargain.pool, moment, lambda: None)
    bought = await buy(bargain)
    assert bought.resumed
    assert senders(bargain) == [bargain.pool.owner.address]
    assert bargain.deals == 1
    assert len({str(each) for each in bargain.pool.handed_in}) == 1  # the same signed request


@pytest.mark.parametrize("moment", ["before_send", "after_send"])
async def test_a_crash_after_the_pools_refusal_buys_once(bargain, moment):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    bargain.pool.will_not_send = (403, "sends-for-nobody", "send it yourself")
    setattr(bargain.chain, moment, die)
    with pytest.raises(Crash):
        await buy(bargain)
    setattr(bargain.chain, moment, None)
    bargain.pool.will_not_send = None
    assert (await buy(bargain)).resumed
    assert senders(bargain) == [bargain.wallet.address]
    assert len(bargain.pool.handed_in) == 1


async def test_a_fee_is_paid_where_that_was_asked_for_and_only_there(bargain):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    bargain.pool.sends = {"fee": 5, "most_params": 1024}
    assert (await buy(bargain)).sent_by is None
    assert (await buy(bargain, by_signature=True)).sent_by == POOL_URL
    assert bargain.pool.with_fee == [False, True]
    assert len(bargain.pool.handed_in) == 1


@pytest.mark.parametrize("terms", [None, {"fee": 0, "most_params": 1}])
async def test_who_does_not_send_it_is_not_asked_to(bargain, terms):
    bargain.chain.fund(bargain.wallet.address, coin=Wei(10**9))
    bargain.pool.sends = terms
    assert (await buy(bargain)).sent_by is None
    bargain.pool.sends = FOR_NOTHING
    assert (await buy(bargain, by_signature=False)).sent_by is None
    assert not bargain.pool.handed_in
