"""A pool whose owner has deposited nothing: it says so, sells nothing, and goes on by itself."""

from __future__ import annotations

import pytest
import structlog
from structlog.testing import capture_logs

from poolhand.domain.trust import Trust
from poolhand.domain.units import NANO_PER_RLC, NanoRlc
from poolhand.scheduler.collateral import PAUSE_BETWEEN_STAKE_LOOKS
from poolhand.scheduler.preflight import Asked
from poolhand.scheduler.pricing import PoolWithoutDeposit

PRICES = {0: NanoRlc(2 * NANO_PER_RLC), 1: NanoRlc(10 * NANO_PER_RLC)}
LEAST = 6 * NANO_PER_RLC // 10
"""30 % of the cheapest price."""


def leave(world, free):
    """Let the owner have just so much free stake (nRLC)."""
    held = world.chain.state.stake_of(world.owner.address)
    world.chain.fund(world.owner.address, stake=NanoRlc(free - held))
    world.total = world.chain.total_nrlc()


async def order(world):
    return await world.scheduler.pricing.order(Asked(0, Trust(1)))


@pytest.mark.case("E5")
async def test_a_pool_sells_once_its_owner_has_what_one_task_of_the_cheapest_category_locks(pool):
    world = await pool(prices=PRICES)
    leave(world, LEAST - 1)
    await world.step(PAUSE_BETWEEN_STAKE_LOOKS)
    assert world.scheduler.collateral.show() == {
        "free": LEAST - 1,
        "locked": 0,
        "least": LEAST,
        "message": world.scheduler.pricing.why_nothing,
    }
    with pytest.raises(PoolWithoutDeposit, match=r"must deposit at least 0\.000000001 RLC") as told:
        await order(world)
    assert str(world.owner.address) in str(told.value)
    assert "poolhand account deposit" in str(told.value)
    leave(world, LEAST)
    await world.step(PAUSE_BETWEEN_STAKE_LOOKS)
    assert world.scheduler.pricing.why_nothing is None
    assert (await order(world)).order.price == PRICES[0]


@pytest.mark.case("E5")
async def test_at_its_start_a_pool_without_deposit_says_that_nothing_can_be_sold(pool):
    world = await pool(prices=PRICES)
    leave(world, 0)
    structlog.reset_defaults()
    with capture_logs() as told:
        await world.scheduler.collateral.look()
        await world.scheduler.collateral.look()
        leave(world, LEAST)
        await world.scheduler.collateral.look()
    events = [each["event"] for each in told]
    assert events == ["nothing_can_be_sold", "stake_deposited"]
    assert "deposit at least 0.6 RLC" in told[0]["cause"]


async def test_a_pool_that_has_no_price_says_so(pool):
    world = await pool(prices={})
    assert "--prices" in world.scheduler.pricing.why_nothing
    assert world.scheduler.collateral.shortage is None
