"""Why a worker runs nothing: each cause, who can fix it, and what would."""

from __future__ import annotations

from dataclasses import replace

import pytest

from poolhand.domain.gas_reserve import WalletGas
from poolhand.domain.ids import Address
from poolhand.domain.replicate.status import Party
from poolhand.domain.task.idle import REMEDIES, IdleReason
from poolhand.domain.units import NanoRlc, Wei
from poolhand.worker.idle import IdleFacts, idle_causes
from poolhand.worker.standing import Hold, WorkerStanding

WALLET = Address(bytes([7] * 20))
SHORT = WalletGas(Wei(10**15), Wei(2 * 10**15), Wei(3 * 10**15), Wei(4 * 10**15))
SPECIAL = (
    IdleReason.PAUSED,
    IdleReason.NO_OPEN_TASK,
    IdleReason.STAKE_MISSING,
    IdleReason.BUSY,
    IdleReason.STAKE_TOO_LOW,
)


def standing(*holds, idle=None, connected=True):
    made = WorkerStanding()
    if connected:
        made.joined()
    made.holds = {hold: f"because of {hold}" for hold in holds}
    made.idle = idle or {}
    return made


def facts(found, **changes):
    base = IdleFacts(WALLET, found, working=0, slots=2, gas=None, is_short=False, free=None)
    return replace(base, **changes)


def codes(*args, **changes):
    return [cause.code for cause in idle_causes(facts(*args, **changes))]


def test_a_worker_that_has_just_started_says_so():
    (cause,) = idle_causes(facts(WorkerStanding()))
    assert (cause.code, cause.acts) == ("starting", Party.WORKER)


def test_a_pool_out_of_reach_is_named_with_since_when_and_the_next_try():
    away = standing()
    away.left("the connection broke", 1_700_000_000, 5)
    away.left("the pool at http://p does not answer", 1_700_000_005, 30.0)
    (cause,) = idle_causes(facts(away))
    assert cause.code == "pool-unreachable"
    assert "since 2023-11-14 22:13:20 UTC" in cause.sentence
    assert "http://p does not answer" in cause.sentence
    assert "22:13:55 UTC" in cause.change
    away.joined()
    assert codes(away) == ["no-task"]
    assert away.away_since is None


def test_a_pool_that_refuses_the_worker_is_quoted_and_the_operator_must_act():
    away = standing()
    away.left("the pool refused the login (worker-outdated): install poolhand 2.0", 1, None)
    (cause,) = idle_causes(facts(away))
    assert (cause.code, cause.acts) == ("pool-refuses", Party.OPERATOR)
    assert "install poolhand 2.0" in cause.sentence


@pytest.mark.parametrize(
    ("hold", "code", "acts"),
    [
        (Hold.OPERATOR, "paused", Party.OPERATOR),
        (Hold.DRAIN, "draining", Party.OPERATOR),
        (Hold.DISK, "disk", Party.OPERATOR),
        (Hold.RESULTS, "results-forbidden", Party.OPERATOR),
    ],
)
def test_whoever_holds_the_worker_back_is_named(hold, code, acts):
    (cause,) = idle_causes(facts(standing(hold), working=2))  # even while all slots are busy
    assert (cause.code, cause.acts) == (code, acts)
    assert f"because of {hold}" in cause.sentence


def test_a_wallet_short_of_gas_is_told_what_to_add_and_where():
    (cause,) = idle_causes(facts(standing(Hold.GAS), gas=SHORT, is_short=True))
    assert (cause.code, cause.acts) == ("gas", Party.OPERATOR)
    assert f"send 0.003 coins to {WALLET}" in cause.change
    assert "0.002 of it for reveals owed" in cause.sentence


def test_several_causes_come_in_the_order_in_which_they_must_be_fixed():
    held = standing(*Hold, connected=False, idle={IdleReason.NEEDS_GPU: 3})
    held.left("gone", 1, 1)
    assert codes(held, gas=SHORT, is_short=True) == [
        "pool-unreachable",
        "paused",
        "schedule",
        "in-use",
        "battery",
        "program",
        "heat",
        "draining",
        "disk",
        "engine-disk",
        "cluster",
        "coin-price",
        "chain-stalled",
        "gas",
        "results-forbidden",
    ]


def test_a_stake_that_is_too_low_says_what_to_deposit():
    idle = {IdleReason.STAKE_TOO_LOW: 4, IdleReason.STAKE_MISSING: 1_500_000_000}
    (cause,) = idle_causes(facts(standing(idle=idle), free=NanoRlc(10**9)))
    assert (cause.code, cause.acts) == ("stake", Party.OPERATOR)
    assert "4 tasks" in cause.sentence
    assert "1 RLC are free" in cause.sentence
    assert "deposit at least 1.5 RLC" in cause.change
    assert "`poolhand worker deposit 1.5`" in cause.change
    assert "`poolhand account deposit 1.5` when the worker is stopped" in cause.change


def test_a_stake_whose_lack_is_not_known_says_all_the_same_who_can_deposit():
    (cause,) = idle_causes(facts(standing(idle={IdleReason.STAKE_TOO_LOW: 1})))
    assert "`poolhand worker deposit AMOUNT`" in cause.change


@pytest.mark.parametrize("reason", [each for each in IdleReason if each not in SPECIAL])
def test_every_reason_of_the_pool_has_a_cause_with_its_count_and_its_remedy(reason):
    (cause,) = idle_causes(facts(standing(idle={reason: 1})))
    assert cause.sentence == f"1 task skipped by the pool: {reason}"
    assert cause.change == REMEDIES[reason]
    assert cause.code == "skipped-" + reason.name.lower().replace("_", "-")


def test_a_reason_that_only_a_newer_pool_knows_is_shown_as_it_is():
    (cause,) = idle_causes(facts(standing(idle={"moon is full": 2})))
    assert (cause.code, cause.sentence) == ("skipped", "2 tasks skipped by the pool: moon is full")


def test_stake_comes_before_what_nobody_here_can_change():
    idle = {IdleReason.ENOUGH: 9, IdleReason.STAKE_TOO_LOW: 1, IdleReason.HAD_IT: 2}
    assert codes(standing(idle=idle)) == ["stake", "skipped-enough", "skipped-had-it"]


@pytest.mark.parametrize("idle", [{}, {IdleReason.NO_OPEN_TASK: 0}])
def test_without_any_task_a_requester_is_waited_for(idle):
    (cause,) = idle_causes(facts(standing(idle=idle)))
    assert (cause.code, cause.acts) == ("no-task", Party.REQUESTER)


def test_a_worker_that_works_is_not_idle_and_a_full_one_is_busy():
    idle = {IdleReason.ENOUGH: 1}
    assert codes(standing(idle=idle), working=1) == []
    assert codes(standing(idle=idle), working=2) == ["busy"]
