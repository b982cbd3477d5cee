"""A chain that stands still, and one whose gas costs more than the cap: said, and no task taken."""

from __future__ import annotations

import pytest
from scripted_pool import ScriptedPool

from poolhand.domain.units import Wei
from poolhand.wire.messages import Capacity
from poolhand.worker.head_watch import CHAIN_STALLS_AFTER

RICH = 10**18
GWEI = 10**9


@pytest.fixture
async def pool(tmp_path):
    made = ScriptedPool(tmp_path, slots=2)
    for each in (made.owner, made.world.requester, made.node):
        made.chain.fund(each.address, coin=RICH)
    await made.opens()
    await made.greets()
    yield made
    await made.world.stop()


def told(pool):
    return pool.shown()


async def passes(pool, seconds):
    """Let time pass without a block."""
    for _ in range(int(seconds)):
        pool.world.clock.advance(1)
        await pool.world.settle()


@pytest.mark.case("E12")
async def test_a_chain_that_stands_still_is_told_and_no_task_is_taken_until_it_moves(pool):
    await pool.blocks(1)
    seen = pool.world.clock.now()
    assert told(pool)["chain"]["stalled_since"] is None
    await passes(pool, CHAIN_STALLS_AFTER + CHAIN_STALLS_AFTER / 4 + 1)
    status = told(pool)
    assert status["chain"] == {
        "block": pool.chain.head.number,
        "block_time": pool.chain.head.timestamp,
        "stalled_since": seen,
    }
    assert "the chain stands still" in status["paused"]
    assert status["idle_causes"][0]["code"] == "chain-stalled"
    assert pool.heard(Capacity)[-1].paused
    await pool.blocks(1)
    assert told(pool)["paused"] is None
    assert told(pool)["chain"]["stalled_since"] is None
    assert not pool.heard(Capacity)[-1].paused


@pytest.mark.parametrize("seconds", [-7200, 7200])
async def test_a_clock_that_is_set_neither_stops_a_chain_nor_hides_that_it_stands(pool, seconds):
    await pool.blocks(1)
    pool.world.clock.set_by(seconds)
    await passes(pool, CHAIN_STALLS_AFTER / 2)
    assert told(pool)["chain"]["stalled_since"] is None
    await passes(pool, CHAIN_STALLS_AFTER)
    assert told(pool)["chain"]["stalled_since"] is not None


async def test_a_chain_that_moves_is_never_said_to_stand_still(pool):
    for _ in range(4):
        await passes(pool, CHAIN_STALLS_AFTER / 2)
        await pool.blocks(1)
        assert told(pool)["paused"] is None


@pytest.mark.case("E10")
async def test_a_cap_under_the_price_of_gas_is_told_and_no_task_is_taken_until_gas_is_cheaper(pool):
    pool.chain.gas_cap = Wei(GWEI)
    pool.chain.gas_price = Wei(GWEI)
    await pool.blocks(1)
    assert told(pool)["paused"] is None
    pool.chain.gas_price = Wei(2 * GWEI)
    await pool.blocks(1)
    status = told(pool)
    assert (
        "gas price cap 1 gwei is under the chain's 2 gwei: nothing can be sent"
        in (status["paused"])
    )
    (cause,) = status["idle_causes"]
    assert (cause["code"], cause["acts"]) == ("gas-cap", "operator of the worker")
    assert "--gas-price-cap" in cause["change"]
    assert pool.heard(Capacity)[-1].paused
    pool.chain.gas_price = Wei(GWEI)
    await pool.blocks(1)
    assert told(pool)["paused"] is None
    assert not pool.heard(Capacity)[-1].paused


async def test_a_wallet_that_is_both_short_and_capped_out_goes_on_only_when_both_are_over(pool):
    pool.chain.gas_cap = Wei(GWEI)
    pool.chain.gas_price = Wei(2 * GWEI)
    pool.chain.drain(pool.node.address)
    await pool.blocks(1)
    assert {each["code"] for each in told(pool)["idle_causes"]} == {"gas-cap", "gas"}
    pool.chain.fund(pool.node.address, coin=RICH)
    await pool.blocks(1)
    assert [each["code"] for each in told(pool)["idle_causes"]] == ["gas-cap"]
    assert told(pool)["paused"].startswith("gas price cap")
    pool.chain.gas_price = Wei(GWEI)
    await pool.blocks(1)
    assert told(pool)["paused"] is None
