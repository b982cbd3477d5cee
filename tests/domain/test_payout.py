"""How much of a worker's stake is paid out, and when; what is known of payments after any end."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.deal import Account
from poolhand.domain.ids import ZERO_ADDRESS, Address, TxHash
from poolhand.domain.payout import (
    PAUSE_AFTER_DROPPED_PAYOUT,
    BadPayoutAddress,
    PayoutBook,
    PayoutDropped,
    PayoutIntended,
    PayoutMade,
    PayoutTerms,
    check_payout_address,
    payout_due,
    read_payouts,
)
from poolhand.domain.units import DAY, BlockNumber, NanoRlc, UnixSeconds

HOME, WALLET, HUB, POOL, RLC = (Address(bytes([number]) * 20) for number in range(1, 6))
TX = TxHash(bytes(32))
NOW = UnixSeconds(1_700_000_000)
TERMS = PayoutTerms(NanoRlc(100), NanoRlc(10), DAY)
NEW = PayoutBook()


def due(free, locked=0, needed=0, terms=TERMS, book=NEW, now=NOW):
    return payout_due(terms, book, Account(NanoRlc(free), NanoRlc(locked)), NanoRlc(needed), now)


def made(number, amount, at, total):
    return PayoutMade(number, HOME, amount, at, TX, BlockNumber(7), NanoRlc(total))


def test_what_is_above_the_stake_that_is_kept_is_due():
    assert due(150) == 50
    assert due(110) == 10
    assert due(109) == 0, "less than is worth a payment"
    assert due(60, locked=90) == 50, "what is locked counts as kept"
    assert due(30, locked=200) == 30, "only what is free can go"
    assert due(150, needed=120) == 30, "a task that is held will lock it"
    assert due(99) == 0


def test_nobody_is_paid_who_has_not_said_what_is_kept():
    assert due(10**12, terms=PayoutTerms(None, NanoRlc(1), DAY)) == 0


def test_another_is_due_only_when_its_time_has_come():
    intended = PayoutIntended(1, HOME, NanoRlc(50), NOW)
    book = read_payouts([intended, made(1, 50, NOW, 50)])
    assert due(150, book=book, now=NOW + DAY - 1) == 0
    assert due(150, book=book, now=NOW + DAY) == 50
    book = read_payouts([intended, PayoutDropped(1, NOW, "no gas")])
    assert due(150, book=book, now=NOW + PAUSE_AFTER_DROPPED_PAYOUT - 1) == 0
    assert due(150, book=book, now=NOW + PAUSE_AFTER_DROPPED_PAYOUT) == 50


AMOUNTS = st.integers(0, 10**18)


@settings(max_examples=examples(200))
@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, st.integers(1, 10**12))
def test_the_kept_stake_and_what_tasks_will_lock_are_never_touched(
    free, locked, keep, needed, least
):
    terms = PayoutTerms(NanoRlc(keep), NanoRlc(least), DAY)
    paid = due(free, locked, needed, terms)
    assert paid == 0 or paid >= least
    if paid:
        assert free + locked - paid >= keep
        assert free - paid >= needed


EVENTS = st.lists(
    st.one_of(
        st.builds(
            PayoutIntended, st.integers(1, 6), st.just(HOME), st.integers(1, 9), st.just(NOW)
        ),
        st.builds(made, st.integers(1, 6), st.integers(1, 9), st.just(NOW), st.integers(1, 99)),
        st.builds(PayoutDropped, st.integers(1, 6), st.just(NOW), st.just("why")),
    ),
    max_size=12,
)


@settings(max_examples=examples(200))
@given(EVENTS)
def test_a_book_moves_one_way_and_what_was_told_before_changes_nothing(events):
    book = NEW
    for event in events:
        after = book.after(event)
        assert after.number >= book.number
        assert after.after(event) == after, "told twice"
        if isinstance(event, PayoutIntended) and event.number <= book.number:
            assert after == book
        assert after.intended is None or after.intended.number == after.number
        book = after


def test_an_address_from_which_nobody_has_anything_is_refused():
    check_payout_address(HOME, WALLET, HUB, POOL, RLC)
    check_payout_address(HOME, None, HUB, POOL, None)
    for bad, words in (
        (WALLET, "own wallet"),
        (HUB, "hub"),
        (POOL, "workerpool"),
        (RLC, "contract of RLC"),
        (ZERO_ADDRESS, "nobody's"),
    ):
        with pytest.raises(BadPayoutAddress, match=words):
            check_payout_address(bad, WALLET, HUB, POOL, RLC)
