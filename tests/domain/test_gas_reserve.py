"""A worker's wallet: reveals owed come first, whatever gas costs by then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.gas_reserve import (
    CONTRIBUTE_GAS,
    REVEAL_GAS,
    SETTLE_GAS,
    Means,
    judge,
    owes_reveal,
    payable,
    reserve,
    reveals_owed,
)
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.replicate.machine import (
    Accepted,
    Action,
    Activated,
    Ended,
    Finished,
    Flow,
    Offer,
    Refilled,
    RevealAsked,
    accept,
    step,
)
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import Wei

A, S = Action, Status
CAP, PRICE = Wei(100), Wei(10)
PRICES = st.integers(0, 10**6).flatmap(lambda cap: st.tuples(st.just(cap), st.integers(0, cap)))


def means(balance, price=PRICE, cap=CAP):
    return Means(Wei(balance), Wei(price), Wei(cap))


def name(number):
    return TaskId(bytes([number] * 32))


def replicate(*events, flow=Flow.STANDARD):
    made = accept(Accepted(0, Offer(name(1), DealId(bytes(32)), 0, flow, b"")))
    ways = {
        "computed": [Finished(0, A.DOWNLOAD_APP, S.APP_DOWNLOADED),
                     Finished(0, A.DOWNLOAD_DATA, S.DATA_DOWNLOADED),
                     Finished(0, A.COMPUTE, S.COMPUTED)],
    }  # fmt: skip
    for event in [each for one in events for each in ways.get(one, [one])]:
        made, _ = step(made, event)
    return made


CHECKED = ("computed", Activated(0), Finished(0, A.CHECK, S.CAN_CONTRIBUTE))
CONTRIBUTED = (*CHECKED, Finished(0, A.CONTRIBUTE, S.CONTRIBUTED))
REVEALING = (*CONTRIBUTED, RevealAsked(0))


@pytest.mark.parametrize(
    ("events", "owes"),
    [
        ((), False),
        (("computed",), False),
        (CHECKED, True),  # it may be on chain
        ((*CHECKED, Finished(0, A.CONTRIBUTE, S.OUT_OF_GAS)), False),
        ((*CHECKED, Finished(0, A.CONTRIBUTE, S.OUT_OF_GAS), Refilled(0)), True),
        (CONTRIBUTED, True),
        (REVEALING, True),
        ((*REVEALING, Finished(0, A.REVEAL, S.OUT_OF_GAS)), True),
        ((*REVEALING, Finished(0, A.REVEAL, S.REVEAL_FAILED)), True),
        ((*REVEALING, Finished(0, A.REVEAL, S.REVEALED)), False),
        ((*CONTRIBUTED, Ended(0, S.REVEAL_TIMEOUT)), False),
    ],
)
def test_a_reveal_is_owed_from_the_contribution_to_its_proof(events, owes):
    assert owes_reveal(replicate(*events)) is owes


def test_who_settles_at_once_owes_no_reveal():
    at_once = replace(
        replicate(*CONTRIBUTED), offer=replicate(flow=Flow.CONTRIBUTE_AND_FINALIZE).offer
    )
    assert not owes_reveal(at_once)
    assert reveals_owed([at_once, replicate(*CONTRIBUTED), replicate(*CONTRIBUTED)]) == 2


@given(PRICES, st.integers(0, 50), st.integers(0, 10**12))
def test_the_reserve_pays_every_reveal_at_any_price_that_is_ever_offered(prices, owed, later):
    cap, price = prices
    assert reserve(means(0, price, cap), owed) >= owed * REVEAL_GAS * min(later, cap)


@given(PRICES, st.integers(0, 50), st.integers(0, 10**14))
def test_what_is_missing_ends_the_shortage_and_a_wei_less_does_not(prices, owed, balance):
    cap, price = prices
    gas = judge(means(balance, price, cap), owed)
    assert not judge(means(balance + gas.missing, price, cap), owed).is_short(was_short=True)
    if gas.missing:
        less = judge(means(balance + gas.missing - 1, price, cap), owed)
        assert less.is_short(was_short=True)


@given(PRICES, st.integers(0, 50), st.integers(0, 10**14))
def test_a_wallet_that_is_not_short_pays_for_one_more_task_and_its_reveal(prices, owed, balance):
    cap, price = prices
    if judge(means(balance, price, cap), owed).is_short(was_short=False):
        return
    left = balance - CONTRIBUTE_GAS * price
    assert left >= reserve(means(0, price, cap), owed + 1)
    assert balance - SETTLE_GAS * price >= reserve(means(0, price, cap), owed)


def test_a_price_that_wavers_does_not_pause_and_resume_in_turn():
    enough_now = CONTRIBUTE_GAS * PRICE + REVEAL_GAS * CAP
    gas = judge(means(enough_now), 0)
    assert not gas.is_short(was_short=False)
    assert gas.is_short(was_short=True)
    assert gas.missing == CONTRIBUTE_GAS * PRICE


@given(st.integers(0, 50), st.integers(0, 10**9))
def test_where_gas_is_free_nothing_is_ever_short(owed, balance):
    free = means(balance, 0, 0)
    assert free.is_free
    assert judge(free, owed).missing == 0
    assert not judge(free, owed).is_short(was_short=True)


def test_reveals_are_resumed_before_contributions_and_need_their_own_price_only():
    waiting = [(name(1), A.CONTRIBUTE, Flow.STANDARD), (name(2), A.REVEAL, Flow.STANDARD)]
    assert payable(means(REVEAL_GAS * PRICE - 1), 1, waiting) == ()
    assert payable(means(REVEAL_GAS * PRICE), 1, waiting) == (name(2),)
    rich = REVEAL_GAS * PRICE + CONTRIBUTE_GAS * PRICE + 2 * REVEAL_GAS * CAP
    assert payable(means(rich), 1, waiting) == (name(2), name(1))
    assert payable(means(rich - 1), 1, waiting) == (name(2),)


def test_no_more_contributions_are_resumed_than_can_be_paid_together():
    waiting = [(name(n), A.CONTRIBUTE, Flow.STANDARD) for n in range(1, 4)]
    each = CONTRIBUTE_GAS * PRICE + REVEAL_GAS * CAP
    assert payable(means(2 * each), 0, waiting) == (name(1), name(2))
    assert payable(means(2 * each), 2, waiting) == ()  # it would eat what two reveals may cost
