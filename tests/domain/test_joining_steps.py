"""Joining a pool, as a walk of steps: wherever it is cut off, the next look goes on."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.ids import Address
from poolhand.domain.joining import (
    JoinSeen,
    JoinStep,
    JoinWish,
    next_step,
    still_missing,
    to_deposit,
    wished_coin,
    wished_stake,
)
from poolhand.domain.units import NanoRlc, Wei

WALLET = Address(b"\x07" * 20)
AMOUNTS = st.integers(0, 1000)
WISHES = st.builds(JoinWish, AMOUNTS.map(Wei), AMOUNTS.map(NanoRlc))
SEEN = st.builds(
    JoinSeen,
    st.sampled_from([None, WALLET]),
    AMOUNTS.map(Wei),
    AMOUNTS.map(NanoRlc),
    AMOUNTS.map(NanoRlc),
    st.booleans(),
    st.booleans(),
)


def done(step: JoinStep, seen: JoinSeen, wish: JoinWish) -> JoinSeen:
    """What there is once a step was done; a deposit costs some gas, of which much was asked for."""
    missing = still_missing(seen, wish)
    match step:
        case JoinStep.GET_WALLET:
            return replace(seen, wallet=WALLET)
        case JoinStep.WAIT_FOR_MONEY:
            return replace(
                seen, coin=Wei(seen.coin + missing.coin), rlc=NanoRlc(seen.rlc + missing.rlc)
            )
        case JoinStep.DEPOSIT:
            moved = to_deposit(seen, wish)
            return replace(
                seen,
                coin=Wei(seen.coin - wish.coin // 10),
                rlc=NanoRlc(seen.rlc - moved),
                staked=NanoRlc(seen.staked + moved),
            )
        case JoinStep.SET_UP:
            return replace(seen, is_set_up=True)
        case JoinStep.START:
            return replace(seen, is_running=True)
        case JoinStep.ALL_SET:
            return seen


@given(SEEN, WISHES)
def test_whatever_there_is_a_few_steps_lead_to_a_worker_that_is_all_set(seen, wish):
    walked, before = [], seen
    while (step := next_step(seen, wish)) is not JoinStep.ALL_SET:
        assert len(walked) < len(JoinStep), walked
        walked.append(step)
        seen = done(step, seen, wish)
        assert min(seen.coin, seen.rlc, seen.staked) >= 0
    assert seen.is_running
    assert walked == sorted(walked, key=list(JoinStep).index)
    assert len(set(walked)) == len(walked)  # nothing twice: nobody is asked for money again
    if not before.is_running and not before.is_set_up:
        assert seen.staked == max(before.staked, wish.stake)  # what is asked for, and no more
    else:
        assert seen.staked == before.staked


@given(SEEN, WISHES)
def test_nothing_is_deposited_that_is_not_there_and_gas_is_there_for_it(seen, wish):
    if next_step(seen, wish) is JoinStep.DEPOSIT:
        assert 0 < to_deposit(seen, wish) <= seen.rlc
        assert seen.coin >= wish.coin


@given(SEEN, WISHES)
def test_a_worker_that_runs_is_left_alone(seen, wish):
    assert next_step(replace(seen, is_running=True), wish) is JoinStep.ALL_SET


def test_what_is_asked_for_follows_from_prices_and_gas():
    rlc = 10**9
    prices = {0: NanoRlc(2 * rlc), 1: NanoRlc(5 * rlc), 2: NanoRlc(0)}
    assert wished_stake(prices, 30, 3) == 3 * 6 * rlc // 10
    assert wished_stake({}, 30, 3) == 0
    assert wished_coin(Wei(10**9), Wei(22 * 10**9)) == 10 * 750_000 * 2 * 10**9
    assert wished_coin(Wei(20 * 10**9), Wei(22 * 10**9)) == 10 * 750_000 * 22 * 10**9
    assert wished_coin(Wei(10**9), Wei(0)) == 0
