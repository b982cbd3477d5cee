"""Which tasks an operator wants: by requester, app, registry, and reward over gas."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.availability.choice import (
    Proposal,
    least_reward,
    told_reward,
    why_not,
)
from poolhand.domain.availability.preferences import Preferences, contradiction
from poolhand.domain.availability.schedule import parse_schedule
from poolhand.domain.gas_reserve import CONTRIBUTE_GAS, REVEAL_GAS, SETTLE_GAS, task_gas
from poolhand.domain.ids import Address
from poolhand.domain.replicate.events import Flow
from poolhand.domain.reward import finalize_shares, worker_reward
from poolhand.domain.trust import Trust, Weight, newcomers_needed
from poolhand.domain.units import ALL_RLC, WEI_PER_COIN, NanoRlc, Seconds, Wei

RLC = 10**9
ANN, BOB, TOM = (Address(bytes([number] * 20)) for number in (1, 2, 3))
TASK = Proposal(ANN, BOB, "docker.io", NanoRlc(5 * RLC), Flow.STANDARD)
FREE = Wei(0)


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Preferences(), None),
        (Preferences(only_requesters=frozenset({ANN, TOM})), None),
        (Preferences(only_requesters=frozenset({TOM})), "only-requesters"),
        (Preferences(not_requesters=frozenset({ANN})), "not-requesters"),
        (Preferences(not_requesters=frozenset({TOM})), None),
        (Preferences(only_apps=frozenset({BOB})), None),
        (Preferences(only_apps=frozenset({ANN})), "only-apps"),
        (Preferences(not_apps=frozenset({BOB})), "not-apps"),
        (Preferences(not_registries=frozenset({"docker.io"})), "not-registries"),
        (Preferences(not_registries=frozenset({"ghcr.io"})), None),
        (Preferences(least_reward=NanoRlc(5 * RLC)), None),
        (Preferences(least_reward=NanoRlc(5 * RLC + 1)), "brings 5 RLC, and this worker asks"),
    ],
)
def test_a_task_is_taken_or_the_setting_that_leaves_it_out_is_named(wanted, why):
    told = why_not(wanted, TASK, FREE)
    assert (told is None) if why is None else (why in told)


def test_what_gas_is_worth_is_asked_for_besides():
    wanted = Preferences(least_reward=NanoRlc(RLC), coin_price=NanoRlc(2_000 * RLC))
    price = Wei(10**9)
    gas = task_gas(Flow.STANDARD) * 10**9 * 2_000 * RLC // WEI_PER_COIN
    assert least_reward(wanted, price, Flow.STANDARD) == RLC + gas
    just = replace(TASK, reward=NanoRlc(RLC + gas))
    assert why_not(wanted, just, price) is None
    assert "its gas and time included" in why_not(
        wanted, replace(just, reward=just.reward - 1), price
    )


def test_a_task_that_may_compute_for_longer_must_bring_more():
    wanted = Preferences(least_reward=NanoRlc(RLC), hour_price=NanoRlc(3 * RLC))
    assert least_reward(wanted, FREE, Flow.STANDARD, Seconds(300)) == RLC + RLC // 4
    assert least_reward(wanted, FREE, Flow.STANDARD, Seconds(36_000)) == 31 * RLC
    tiny = replace(wanted, hour_price=NanoRlc(1))
    assert least_reward(tiny, FREE, Flow.STANDARD, Seconds(1)) == RLC + 1, "rounded up"
    assert why_not(wanted, replace(TASK, time=Seconds(4_800)), FREE) is None
    assert "time included" in why_not(wanted, replace(TASK, time=Seconds(4_801)), FREE)


def test_a_pool_is_told_what_the_shortest_task_must_bring():
    wanted = Preferences(hour_price=NanoRlc(12 * RLC))
    assert told_reward(wanted, FREE, Seconds(300)) == RLC
    assert told_reward(wanted, FREE) == 0, "before anybody has told how long tasks are"


def test_what_a_task_uses_of_gas_is_under_the_limits_it_is_sent_with():
    assert task_gas(Flow.STANDARD) <= CONTRIBUTE_GAS + REVEAL_GAS
    assert task_gas(Flow.CONTRIBUTE_AND_FINALIZE) <= SETTLE_GAS


@given(
    st.integers(0, 10**12).map(NanoRlc),
    st.integers(0, 10**13).map(NanoRlc),
    st.integers(0, 10**12).map(Wei),
)
def test_a_pool_is_told_less_than_is_asked_and_hardly_less(least, coin, price):
    wanted = Preferences(least_reward=least, coin_price=coin)
    told = told_reward(wanted, price)
    asked = min(least_reward(wanted, price, flow) for flow in Flow)
    assert told <= asked
    assert asked - told <= asked // 10


def test_a_pool_is_told_no_more_than_there_is():
    told = told_reward(Preferences(least_reward=ALL_RLC, coin_price=ALL_RLC), Wei(10**15))
    assert told == ALL_RLC


@given(st.integers(0, 10**12).map(NanoRlc), st.integers(0, 100), st.integers(1, 10**6).map(Trust))
def test_a_task_brings_each_new_worker_what_the_contract_pays(price, percent, trust):
    many = [Address(number.to_bytes(20, "big")) for number in range(newcomers_needed(trust))]
    shares = finalize_shares(price, NanoRlc(0), percent, dict.fromkeys(many, Weight(2)), 0)
    assert set(shares.workers.values()) == {worker_reward(price, percent, trust)}


@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (Preferences(), None),
        (Preferences(schedule=parse_schedule("never")), "0 h a week"),
        (
            Preferences(only_apps=frozenset({ANN, BOB}), not_apps=frozenset({BOB})),
            f"app {BOB} stands in only-apps and in not-apps",
        ),
        (
            Preferences(only_requesters=frozenset({ANN}), not_requesters=frozenset({ANN})),
            "only-requesters",
        ),
    ],
)
def test_settings_that_contradict_one_another_are_named(wanted, why):
    told = contradiction(wanted)
    assert (told is None) if why is None else (why in told)
