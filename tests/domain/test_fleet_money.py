"""Who pays whom how much: cut off after any payments and planned again, the rest and nothing more."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.fleet_money import (
    MOST_STAKES,
    FleetWish,
    PaymentRound,
    WalletHolds,
    collection,
    funding,
    gas_of,
    is_worth_an_end,
    lacking,
)
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address
from poolhand.domain.onchain import DepositFor, TransferCoin, TransferRlc, WithdrawTo
from poolhand.domain.units import NanoRlc, Wei

TO = Address(b"\xee" * 20)
amounts = st.integers(0, 10**12)
wishes = st.builds(FleetWish, amounts.map(Wei), amounts.map(NanoRlc))


@st.composite
def fleets(draw, most=12):
    count = draw(st.integers(0, most))
    return {
        Address(n.to_bytes(20)): WalletHolds(
            Address(n.to_bytes(20)),
            Wei(draw(amounts)),
            NanoRlc(draw(amounts)),
            NanoRlc(draw(amounts)),
            NanoRlc(draw(amounts)),
        )
        for n in range(1, count + 1)
    }


def paid(fleet, call):
    """Return what a fleet has once a payment is mined."""
    after = dict(fleet)
    if isinstance(call, TransferCoin):
        has = after[call.to]
        after[call.to] = replace(has, coin=Wei(has.coin + call.amount))
    if isinstance(call, DepositFor):
        for who, amount in call.stakes:
            after[who] = replace(after[who], free=NanoRlc(after[who].free + amount))
    return after


def calls(due: PaymentRound):
    return [call for stage in due.stages for call in stage]


@given(fleets(), wishes, st.booleans(), st.data())
def test_cut_off_after_any_payments_the_next_plan_pays_the_rest_and_nothing_more(
    fleet, wish, is_native, data
):
    whole = funding(wish, fleet.values(), is_native=is_native)
    mined = [call for call in calls(whole) if data.draw(st.booleans())]
    for call in mined:
        fleet = paid(fleet, call)
    rest = funding(wish, fleet.values(), is_native=is_native)
    spent = PaymentRound(
        stakes=tuple(call for call in mined if isinstance(call, DepositFor)),
        coins=tuple(call for call in mined if isinstance(call, TransferCoin)),
    )
    assert spent.coin_paid + rest.coin_paid == whole.coin_paid
    assert spent.rlc_paid + rest.rlc_paid == whole.rlc_paid
    for call in calls(rest):
        fleet = paid(fleet, call)
    assert not funding(wish, fleet.values(), is_native=is_native)
    for has in fleet.values():
        assert has.free + has.locked >= wish.stake
        assert 2 * has.coin >= wish.coin


@given(fleets(), wishes)
def test_nobody_is_paid_more_than_is_wished(fleet, wish):
    due = funding(wish, fleet.values(), is_native=False)
    for call in calls(due):
        for who, has in paid(fleet, call).items():
            before = fleet[who]
            if has.coin != before.coin:
                assert has.coin == wish.coin
            if has.free != before.free:
                assert has.free + has.locked == wish.stake
    assert sum(each.amount for each in due.allow) == due.rlc_paid


def test_a_hundred_stakes_are_one_transaction():
    many = [WalletHolds(Address(n.to_bytes(20))) for n in range(1, 2 * MOST_STAKES + 2)]
    due = funding(FleetWish(Wei(0), NanoRlc(5)), many, is_native=False)
    assert [len(each.stakes) for each in due.stakes] == [MOST_STAKES, MOST_STAKES, 1]
    assert due.count == 4
    assert funding(FleetWish(Wei(0), NanoRlc(5)), many, is_native=True).count == 3


@given(fleets(), wishes, amounts, amounts, st.integers(0, 30), st.booleans())
def test_what_a_wallet_lacks_is_enough_when_it_comes(fleet, wish, coin, rlc, price, is_native):
    due = funding(wish, fleet.values(), is_native=is_native)
    payer = WalletHolds(TO, Wei(coin), NanoRlc(rlc))
    gas = gas_of(due, Means(payer.coin, Wei(price), Wei(20)))
    lack = lacking(due, payer, gas, is_native=is_native)
    richer = replace(payer, coin=Wei(payer.coin + lack.coin), rlc=NanoRlc(payer.rlc + lack.rlc))
    assert not lacking(due, richer, gas, is_native=is_native)
    if lack.coin:
        poorer = replace(richer, coin=Wei(richer.coin - 1))
        assert lacking(due, poorer, gas, is_native=is_native).coin == 1


@given(fleets(most=3), wishes, st.integers(0, 3), st.booleans())
def test_what_is_collected_leaves_what_is_kept_and_what_is_locked(fleet, keep, price, is_native):
    for has in fleet.values():
        means = Means(has.coin, Wei(price), Wei(10 * price))
        due = collection(has, keep, TO, means, is_native=is_native)
        assert all(call.to == TO and call.amount > 0 for call in calls(due))
        back = sum(call.amount for call in due.back)
        assert has.free - back + has.locked >= min(keep.stake, has.free + has.locked)
        assert sum(call.amount for call in due.rlc) in (0, has.rlc)
        assert due.coin_paid + gas_of(due, means) <= has.coin
        if due.coins:
            assert has.coin - due.coin_paid - gas_of(due, means) >= keep.coin


def test_all_that_is_free_comes_back_to_the_last_nrlc():
    has = WalletHolds(TO, Wei(10**15), NanoRlc(7), NanoRlc(123_456_789), NanoRlc(0))
    due = collection(
        has, FleetWish(Wei(0), NanoRlc(0)), TO, Means(has.coin, Wei(0), Wei(0)), is_native=False
    )
    assert due.back == (WithdrawTo(TO, has.free),)
    assert due.rlc == (TransferRlc(TO, has.rlc),)
    assert due.coins == (TransferCoin(TO, has.coin),)


def test_a_worker_ends_for_rlc_and_for_coin_only_where_more_goes_than_stays():
    keep = FleetWish(Wei(10), NanoRlc(5))
    assert not is_worth_an_end(PaymentRound(), keep)
    assert not is_worth_an_end(PaymentRound(coins=(TransferCoin(TO, Wei(10)),)), keep)
    assert is_worth_an_end(PaymentRound(coins=(TransferCoin(TO, Wei(11)),)), keep)
    assert is_worth_an_end(PaymentRound(back=(WithdrawTo(TO, NanoRlc(1)),)), keep)
    assert is_worth_an_end(PaymentRound(rlc=(TransferRlc(TO, NanoRlc(1)),)), keep)


def test_a_wallet_that_cannot_pay_gas_is_left_alone():
    has = WalletHolds(TO, Wei(0), NanoRlc(7), NanoRlc(5), NanoRlc(0))
    nothing = FleetWish(Wei(0), NanoRlc(0))
    assert not collection(has, nothing, TO, Means(Wei(0), Wei(1), Wei(1)), is_native=False)
