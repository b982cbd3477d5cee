"""The wallet judged: its file, whose it is, and what coin and stake are missing, to the unit."""

from __future__ import annotations

import pytest

from poolhand.domain.deal import Account
from poolhand.domain.doctor.findings import CheckOutcome
from poolhand.domain.doctor.wallet import (
    judge_free,
    judge_gas,
    judge_password,
    judge_stake,
    judge_wallet,
    least_stake,
)
from poolhand.domain.gas_reserve import Means
from poolhand.domain.ids import Address
from poolhand.domain.units import NanoRlc, Wei
from poolhand.keys.errors import WalletInUse

PASS, WARN, FAIL = CheckOutcome.PASS, CheckOutcome.WARN, CheckOutcome.FAIL
WALLET = Address(bytes([7] * 20))
PRICE, CAP = 10**8, 22 * 10**9
LEAST = 600_000 * PRICE + 150_000 * CAP
NEEDED = 600_000 * 2 * PRICE + 150_000 * CAP
"""One contribution at the price and at twice of it, and its reveal at the cap."""


@pytest.mark.mistake("open-wallet")
@pytest.mark.parametrize("mode", [0o100604, 0o100640, 0o100644, 0o100601])
def test_a_keystore_that_others_may_touch_is_told_with_the_command_that_ends_it(mode):
    found = judge_wallet("/k/wallet.json", mode, WALLET)
    assert (found.outcome, found.fix) == (WARN, "`chmod 600 /k/wallet.json`")
    assert judge_wallet("/k/wallet.json", 0o100600, WALLET).outcome is PASS


def test_a_password_that_nobody_told_is_unknown_and_no_failure():
    assert judge_password(is_told=False).outcome is CheckOutcome.UNKNOWN
    assert judge_password(is_told=True).outcome is PASS


@pytest.mark.mistake("wallet-in-use")
def test_a_wallet_that_another_program_holds_fails_and_ones_own_does_not():
    held = str(WalletInUse(WALLET, "4711", "worker start"))
    other = judge_free(WALLET, held, runs_here=False, seen=None, is_asked=True)
    assert other.outcome is FAIL
    assert "process 4711" in other.found
    assert "wallet of its own" in other.fix
    assert judge_free(WALLET, held, runs_here=True, seen="w", is_asked=True).outcome is PASS


@pytest.mark.mistake("wallet-elsewhere")
def test_a_wallet_that_works_on_another_computer_fails():
    found = judge_free(WALLET, "", runs_here=False, seen="office", is_asked=True)
    assert (found.outcome, "'office'" in found.found) == (FAIL, True)
    alone = judge_free(WALLET, "", runs_here=False, seen=None, is_asked=True)
    unsure = judge_free(WALLET, "", runs_here=False, seen=None, is_asked=False)
    assert (alone.outcome, unsure.outcome) == (PASS, PASS)
    assert alone.found != unsure.found


@pytest.mark.mistake("no-gas")
@pytest.mark.parametrize(
    ("balance", "outcome", "missing"),
    [(0, FAIL, NEEDED), (LEAST - 1, FAIL, NEEDED - LEAST + 1), (LEAST, PASS, 0), (NEEDED, PASS, 0)],
)
def test_missing_coin_is_told_to_the_wei(balance, outcome, missing):
    means = Means(Wei(balance), Wei(PRICE), Wei(CAP), Wei(PRICE))
    found = judge_gas(means, WALLET, "a faucet gives it")
    assert (found.outcome, found.missing_wei, found.missing_nrlc) == (outcome, missing, None)
    assert ("a faucet gives it" in found.fix) is (outcome is FAIL)


def test_free_gas_needs_no_coin_and_a_cap_under_the_price_sends_nothing():
    free = judge_gas(Means(Wei(0), Wei(0), Wei(0)), WALLET, "")
    assert (free.outcome, free.missing_wei) == (PASS, 0)
    capped = judge_gas(Means(Wei(10**20), Wei(5), Wei(5), Wei(6)), WALLET, "")
    assert (capped.outcome, "--gas-price-cap" in capped.fix) == (FAIL, True)


@pytest.mark.parametrize(
    ("prices", "percent", "least"),
    [((), 30, None), ((10,), None, None), ((11, 40), 30, 3), ((0, 40), 30, 0)],
)
def test_the_least_stake_is_that_of_the_cheapest_task_floored(prices, percent, least):
    assert least_stake(tuple(map(NanoRlc, prices)), percent) == least


@pytest.mark.mistake("no-stake")
@pytest.mark.parametrize(
    ("free", "locked", "least", "outcome", "missing"),
    [
        (0, 0, 300, FAIL, 300),
        (100, 150, 300, FAIL, 50),
        (0, 300, 300, PASS, 0),
        (0, 0, 0, PASS, 0),
        (0, 0, None, FAIL, 0),
        (1, 0, None, PASS, 0),
    ],
)
def test_missing_stake_is_told_to_the_nrlc(free, locked, least, outcome, missing):
    found = judge_stake(Account(NanoRlc(free), NanoRlc(locked)), least, WALLET, "")
    assert (found.outcome, found.missing_nrlc, found.missing_wei) == (outcome, missing, None)
    if outcome is FAIL:
        assert "poolhand account deposit" in found.fix
