"""A worker low on gas: it takes nothing new, keeps revealing, says what to send, and goes on."""

from __future__ import annotations

import pytest
import structlog
from prometheus_client import generate_latest
from scripted_pool import ScriptedPool

from poolhand.domain.gas_reserve import CONTRIBUTE_GAS, REVEAL_GAS, SETTLE_GAS
from poolhand.domain.onchain import ContributionStatus
from poolhand.domain.replicate.machine import Flow
from poolhand.wire.messages import Capacity, ReportBatch
from poolhand.worker.wallet_watch import PAUSE_AFTER_WALLET_FAILURE

PRICE = 10
TASK = PRICE * max(CONTRIBUTE_GAS + REVEAL_GAS, SETTLE_GAS)
"""What a wallet that owes nothing must have for one more task."""
SENT = PRICE * 300_000
"""What any transaction takes on the fake chain."""


@pytest.fixture
async def pool(tmp_path):
    made = ScriptedPool(tmp_path, slots=4)
    made.chain.gas_price = PRICE
    made.chain.fund(made.owner.address, coin=10**12)
    made.chain.fund(made.world.requester.address, coin=10**12)
    await made.opens()
    await made.greets()
    yield made
    await made.world.stop()


def give(pool, wei):
    pool.chain.drain(pool.node.address)
    pool.chain.fund(pool.node.address, coin=wei)


def capacity(pool):
    return pool.heard(Capacity)[-1]


async def test_a_wallet_short_of_gas_takes_nothing_new_and_names_the_amount_and_the_wallet(pool):
    give(pool, TASK - 1)
    await pool.blocks(1)
    assert capacity(pool).paused
    assert str(pool.node.address) in capacity(pool).paused
    assert "send it at least 0.000000000000000001 coins" in capacity(pool).paused
    await pool.says(pool.offer(await pool.world.deal(settle=False)))
    assert not pool.member.shell.replicates
    assert "takes nothing new" in pool.heard(ReportBatch)[-1].statuses[0].detail
    give(pool, TASK)
    await pool.blocks(1)
    assert not capacity(pool).paused
    await pool.contributed(trust=10)


async def test_gas_that_is_owed_to_reveals_is_not_spent_on_another_contribution(pool):
    give(pool, TASK)
    await pool.contributed(trust=10)  # its reveal is owed as soon as others agree
    second = await pool.offered(trust=10, active=False)
    assert second not in pool.member.shell.replicates  # paused: nothing left for a second
    give(pool, 3 * TASK)
    await pool.blocks(1)
    second = await pool.offered(trust=10, active=False)
    give(pool, SENT + 2 * PRICE * REVEAL_GAS - 1)  # one transaction and, almost, two reveals
    pool.initialize(pool.world.deals[-1])
    await pool.blocks(3)
    assert pool.path(second)[-1] == "OUT_OF_GAS"
    assert pool.contribution(second) is None
    last = pool.replicate(second).history[-1].detail
    assert "for reveals" in last
    assert "send it at least" in last


async def test_reveals_go_on_while_nothing_new_is_taken_and_parked_stages_resume(pool):
    give(pool, 10 * TASK)
    tasks = [await pool.offered(trust=1, active=False) for _ in range(2)]
    for deal in pool.world.deals:
        pool.initialize(deal)
    give(pool, TASK)
    await pool.blocks(6)
    states = {task: pool.contribution(task) for task in tasks}
    (parked,) = [task for task, found in states.items() if found is None]
    (proved,) = [found for found in states.values() if found is not None]
    assert proved.status is ContributionStatus.PROVED
    assert pool.path(parked)[-1] == "OUT_OF_GAS"
    assert capacity(pool).paused
    give(pool, TASK)
    await pool.blocks(4)
    assert pool.contribution(parked).status is ContributionStatus.PROVED


async def test_several_contributions_at_once_do_not_eat_one_anothers_reserve(pool):
    give(pool, 10 * TASK)
    for _ in range(3):
        await pool.offered(trust=10, active=False)
    give(pool, 2 * (SENT + PRICE * REVEAL_GAS) + PRICE * REVEAL_GAS - 1)
    for deal in pool.world.deals:
        pool.initialize(deal)
    await pool.blocks(4)
    states = [replicate.status for replicate in pool.member.shell.replicates.values()]
    assert states.count("CONTRIBUTED") < 3
    left = pool.chain.state.coin_of(pool.node.address)
    assert left >= states.count("CONTRIBUTED") * PRICE * REVEAL_GAS


async def test_a_reveal_is_paid_with_the_last_coin(pool):
    give(pool, TASK)
    task = await pool.contributed(trust=1)
    give(pool, SENT)
    await pool.blocks(2)
    assert pool.contribution(task).status is ContributionStatus.PROVED


async def test_a_contribution_that_was_sent_before_a_crash_is_not_held_back(pool):
    give(pool, 10 * TASK)
    task = await pool.offered(trust=1)
    assert pool.path(task)[-1] == "CONTRIBUTING"
    await pool.node.kill()
    pool.chain.mine()
    give(pool, SENT)
    pool.node.start()
    await pool.world.settle()
    await pool.greets()
    await pool.blocks(3)
    assert pool.contribution(task).status is ContributionStatus.PROVED
    assert "OUT_OF_GAS" not in pool.path(task)


async def test_a_stage_that_fails_again_with_the_same_wallet_waits_longer_each_time(pool):
    give(pool, 10 * TASK)
    task = await pool.offered(active=False)
    pool.chain.before_send = _refuse
    pool.initialize(pool.world.deals[0])
    await pool.blocks(20)
    assert pool.path(task).count("OUT_OF_GAS") == 2
    await pool.blocks(1, seconds=2 * PAUSE_AFTER_WALLET_FAILURE)
    assert pool.path(task).count("OUT_OF_GAS") == 3
    pool.chain.before_send = None
    pool.chain.fund(pool.node.address, coin=1)
    await pool.blocks(2)
    assert pool.contribution(task) is not None


def _refuse(_wallet, purpose, _call):
    from poolhand.domain.errors import OutOfGas

    raise OutOfGas(f"{purpose} costs more than anybody thought")


async def test_gas_that_gets_cheaper_ends_the_shortage_too(pool):
    give(pool, TASK // 2)
    await pool.blocks(1)
    assert capacity(pool).paused
    pool.chain.gas_price = PRICE // 2
    await pool.blocks(1)
    assert not capacity(pool).paused


async def test_where_gas_is_free_an_empty_wallet_works(pool):
    pool.chain.gas_price = 0
    give(pool, 0)
    await pool.blocks(1)
    assert not capacity(pool).paused
    await pool.contributed(trust=10)


async def test_the_shortage_is_told_once_when_it_begins_and_once_when_it_ends(pool):
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        give(pool, TASK)  # it began with nothing
        await pool.blocks(10)
        give(pool, 0)
        await pool.blocks(10)
        give(pool, TASK)
        await pool.blocks(10)
    events = [each["event"] for each in told if each["event"].startswith("gas_")]
    assert events == ["gas_refilled", "gas_short", "gas_refilled"]
    paused = [each.paused is not None for each in pool.heard(Capacity)]
    assert paused[-2:] == [True, False]


async def test_an_outage_of_the_chain_leaves_the_last_verdict(pool):
    give(pool, 0)
    await pool.blocks(1)
    pool.chain.outage = True
    await pool.blocks(3)
    assert capacity(pool).paused
    assert pool.node.worker.wallet_watch.gas.balance == 0


async def test_a_settlement_at_once_keeps_the_reserve_too(pool):
    give(pool, 10 * TASK)
    owing = await pool.contributed(trust=10)
    deal = await pool.world.deal(settle=False)
    await pool.says(pool.offer(deal, Flow.CONTRIBUTE_AND_FINALIZE))
    give(pool, SENT + PRICE * REVEAL_GAS - 1)
    pool.initialize(deal)
    await pool.blocks(3)
    (_, task) = next(deal.tasks())
    assert pool.path(task)[-1] == "OUT_OF_GAS"
    pool.chain.fund(pool.node.address, coin=10 * TASK)
    await pool.blocks(3)
    assert pool.contribution(task).status is ContributionStatus.PROVED
    assert pool.contribution(owing).status is ContributionStatus.CONTRIBUTED


async def test_monitoring_reads_gas_stake_and_why_nothing_new_is_taken(pool):
    give(pool, TASK - 5)
    await pool.blocks(1)
    pool.member.pause("a new disk")
    text = generate_latest(pool.gauges()).decode()
    read = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[0] != "#")
    stake = float(pool.chain.state.stake_of(pool.node.address))
    wanted = {
        "gas_balance_wei": TASK - 5,
        "gas_reserve_wei": 0,
        "gas_missing_wei": 5,
        "stake_free_nrlc": stake,
        "stake_locked_nrlc": 0,
        'paused{reason="gas"}': 1,
        'paused{reason="paused"}': 1,
        'paused{reason="draining"}': 0,
        "offers_seen": 0,
    }
    assert {name: float(read[f"poolhand_worker_{name}"]) for name in wanted} == wanted
