"""A round of payments, cut off before or after anything it sends: finished, and paid once."""

from __future__ import annotations

import pytest

from poolhand.chain.errors import BalanceTooLow
from poolhand.domain.errors import (
    BrokenPrecondition,
    ChainUnreachable,
    OutOfGas,
    PoolhandError,
    Unavailable,
)
from poolhand.domain.fleet_money import FleetWish, PaymentRound, WalletHolds, funding
from poolhand.domain.ids import Address
from poolhand.domain.onchain import TransferRlc
from poolhand.domain.units import NANO_PER_RLC, NanoRlc, Wei
from poolhand.requester.payment_rounds import is_refusal
from poolhand.store.errors import JournalCorrupt
from requester_market import Killed, kill_at

FLEET = tuple(Address(n.to_bytes(20)) for n in range(0x71, 0x74))
WISH = FleetWish(Wei(10**15), NanoRlc(3 * NANO_PER_RLC))
WHOSE = "fleet test"


async def holds(market):
    hub = market.chain.hub
    accounts, coins = await hub.accounts(FLEET), await hub.coin_balances(FLEET)
    return [
        WalletHolds(each, coins[each], NanoRlc(0), accounts[each].stake, accounts[each].locked)
        for each in FLEET
    ]


async def pay_all(market, seen=None):
    """Do what a fleet does: finish what was begun, look, begin what is missing, finish it."""
    async with market.requester().wallet.open() as spending:
        await spending.rounds.finish(WHOSE)
        due = funding(WISH, await holds(market), is_native=False)
        if due:
            spending.rounds.begin(WHOSE, due, market.seed.to_bytes(8))
            await spending.rounds.finish(WHOSE, lambda call, _: seen and seen.append(call))
        assert spending.rounds.begun(WHOSE) is None


async def spent(market):
    has = await market.chain.hub.rlc_balances([market.wallet.address])
    return has[market.wallet.address]


TRANSACTIONS = 2 + len(FLEET)


@pytest.mark.parametrize("when", ["before_send", "after_send"])
@pytest.mark.parametrize("at", range(1, TRANSACTIONS + 1))
async def test_killed_at_any_transaction_all_are_paid_once(market, when, at):
    market.chain.fund(market.wallet.address, coin=Wei(10**18))
    coin, rlc = market.chain.state.coin_of(market.wallet.address), await spent(market)
    kill_at(market.chain, when, at)
    with pytest.raises(Killed):
        await pay_all(market)
    setattr(market.chain, when, None)
    await pay_all(market)
    await pay_all(market)
    assert all(each.coin == WISH.coin and each.free == WISH.stake for each in await holds(market))
    assert rlc - await spent(market) == len(FLEET) * WISH.stake
    gas = market.chain.gas_price
    paid = coin - market.chain.state.coin_of(market.wallet.address) - len(FLEET) * WISH.coin
    assert paid == 0 if not gas else paid > 0


async def test_a_round_whose_answers_were_lost_is_finished_before_anybody_looks(market):
    market.chain.fund(market.wallet.address, coin=Wei(10**18))

    def silence(_sender, purpose, _call):
        raise ChainUnreachable(f"whether {purpose} was sent is unknown")

    rlc = await spent(market)
    market.chain.after_send = silence
    with pytest.raises(ChainUnreachable):
        await pay_all(market)
    market.chain.after_send = None
    async with market.requester().wallet.open() as spending:
        assert spending.rounds.begun(WHOSE)
    await pay_all(market)
    assert rlc - await spent(market) == len(FLEET) * WISH.stake


async def test_a_fault_of_this_computer_leaves_the_round_to_be_finished(market):
    """Whether a payment is mined is not known by it, so balances are not what is to be asked."""
    market.chain.fund(market.wallet.address, coin=Wei(10**18))
    rlc = await spent(market)

    def full(*_):
        raise OSError(28, "no space left on device")

    async with market.requester().wallet.open() as spending:
        due = funding(WISH, await holds(market), is_native=False)
        spending.rounds.begin(WHOSE, due, b"1")
        with pytest.raises(OSError, match="no space"):
            await spending.rounds.finish(WHOSE, full)
        assert spending.rounds.begun(WHOSE) == due
    await pay_all(market)
    assert rlc - await spent(market) == len(FLEET) * WISH.stake


@pytest.mark.parametrize(
    ("fault", "refused"),
    [
        (OutOfGas("too little"), True),
        (BalanceTooLow("too little"), True),
        (ChainUnreachable("nobody answers"), False),
        (JournalCorrupt("a journal", 1, "altered"), False),
        (BrokenPrecondition("of ours"), False),
        (OSError(28, "no space left on device"), False),
    ],
)
def test_only_who_says_that_a_payment_never_will_be_mined_ends_a_round(fault, refused):
    assert is_refusal(fault) == refused


async def test_what_is_refused_ends_the_round_and_is_not_tried_for_ever(market):
    much = TransferRlc(FLEET[0], NanoRlc(10**6 * NANO_PER_RLC))
    async with market.requester().wallet.open() as spending:
        spending.rounds.begin(WHOSE, PaymentRound(rlc=(much,)), b"1")
        with pytest.raises(PoolhandError) as refused:
            await spending.rounds.finish(WHOSE)
        assert not isinstance(refused.value, Unavailable)
        assert spending.rounds.begun(WHOSE) is None


async def test_all_stakes_are_two_transactions_however_many(market):
    market.chain.fund(market.wallet.address, coin=Wei(10**18))
    seen = [None]
    await pay_all(market, seen)
    kinds = [type(each).__name__ for each in seen[1:]]
    assert sorted(kinds) == ["AllowHub", "DepositFor"] + ["TransferCoin"] * len(FLEET)
