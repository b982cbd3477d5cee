"""A pool without gas: it says so, owes nobody more, pays first what it owes, and goes on by itself."""

from __future__ import annotations

import asyncio

import pytest
import structlog
from pool_world import RIGHT, TO_CONTRIBUTED, S, first_task
from structlog.testing import capture_logs

from poolhand.domain.errors import OutOfGas
from poolhand.domain.onchain import ChainTaskStatus, Claim, Finalize, Initialize
from poolhand.domain.trust import Trust
from poolhand.domain.units import Gas, Wei
from poolhand.scheduler.gas_budget import FINALIZE_GAS, INITIALIZE_GAS, PROBE
from poolhand.scheduler.preflight import Asked
from poolhand.scheduler.pricing import PoolOutOfGas

PRICE = Wei(10**9)
ONE = 300_000 * PRICE
"""What a transaction costs on the fake chain (wei)."""
TASK = Gas(INITIALIZE_GAS + FINALIZE_GAS) * PRICE
"""What the pool wants to have for one more task (wei)."""


def leave(world, coins):
    """Let the owner's wallet have just so much (wei)."""
    held = world.chain.state.coin_of(world.owner.address)
    world.chain.fund(world.owner.address, coin=Wei(coins - held))


def as_it_sends(world, happens):
    """Let something happen between the pool's look at its wallet and its next transaction."""

    def once(*_):
        world.chain.before_send = None
        happens()

    world.chain.before_send = once


async def with_gas(pool, coins, **terms):
    world = await pool(**terms)
    world.chain.gas_price = PRICE
    leave(world, coins)
    await world.step()
    return world


async def order(world):
    return await world.scheduler.pricing.order(Asked(0, Trust(1)))


def gas(world):
    return world.scheduler.gas_budget.show()


async def revealing(world, worker):
    """Bring a task to where the pool owes its finalization."""
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    await worker.reports(task, S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED,
                         S.RESULT_UPLOADING)  # fmt: skip
    return task


async def test_what_transactions_took_is_counted_as_they_are_mined(pool):
    world = await with_gas(pool, 10 * TASK)
    await world.hired()
    await world.deal()
    await world.step()
    await world.step()
    mine = [m.receipt for m in world.chain.mined() if m.sent.sender == world.owner.address]
    (paid,) = [r.gas_used * r.gas_price for r in mine if r.block > 1 and not r.created]
    assert gas(world)["spent"] == paid > 0


async def test_a_pool_with_enough_for_one_more_task_sells_and_with_less_does_not(pool):
    world = await with_gas(pool, TASK)
    assert gas(world) == {
        "short": False,
        "balance": TASK,
        "missing": 0,
        "spent": 0,
        "message": None,
    }
    assert (await order(world)).order.category == 0
    leave(world, TASK - 1)
    await world.step()
    assert (gas(world)["short"], gas(world)["missing"]) == (True, 1)
    with pytest.raises(PoolOutOfGas, match=r"owner must send it 0\.0+1 coins") as told:
        await order(world)
    assert str(world.owner.address) in str(told.value)
    leave(world, TASK)
    await world.step()
    assert await order(world)


@pytest.mark.case("E10")
async def test_a_pool_whose_cap_is_under_the_price_of_gas_says_so_and_sells_nothing(pool):
    world = await with_gas(pool, 10**9 * TASK)
    world.chain.gas_cap = Wei(PRICE)
    await world.step()
    assert await order(world)
    world.chain.gas_price = Wei(2 * PRICE)
    await world.step()
    assert (gas(world)["short"], gas(world)["missing"]) == (True, 0)
    with pytest.raises(PoolOutOfGas, match="gas price cap 1 gwei is under the chain's 2 gwei"):
        await order(world)
    world.chain.gas_price = PRICE
    await world.step()
    assert await order(world)


async def test_where_gas_is_free_an_empty_wallet_is_enough(pool):
    world = await pool()
    leave(world, 0)
    await world.step()
    assert not gas(world)["short"]
    assert await order(world)


async def test_a_pool_short_of_gas_gives_out_nothing_that_is_not_on_chain_yet(pool):
    world = await with_gas(pool, TASK - 1)
    worker = await world.hired()
    task = first_task(await world.deal())
    assert not world.offered(task)
    assert "the pool is short of gas" in worker.told[-1].reasons
    leave(world, TASK)
    await world.step()
    assert world.status(task, worker) is S.CREATED


async def test_a_wallet_that_ran_dry_ends_nothing_and_is_told_of_once(pool):
    world = await with_gas(pool, 10 * TASK, quick=True)
    await world.hired()
    structlog.reset_defaults()
    with capture_logs() as logs:
        as_it_sends(world, lambda: leave(world, ONE - 1))
        task = first_task(await world.deal())
        assert world.offered(task)
        for _ in range(3 * PROBE):
            await world.step()
        assert world.pool.is_up
        assert world.view(task).status is ChainTaskStatus.UNSET
        assert not world.task(task).refusals, "an empty wallet is no refusal"
        leave(world, 2 * TASK)
        await world.until(lambda: world.view(task).status is ChainTaskStatus.ACTIVE, steps=3)
    told = [entry["event"] for entry in logs if entry["event"].startswith("gas")]
    assert told == ["gas_short", "gas_refilled"]
    assert not gas(world)["short"]


async def test_gas_that_became_cheaper_is_noticed_without_a_refill(pool):
    world = await with_gas(pool, 10 * TASK, quick=True)
    await world.hired()
    as_it_sends(world, lambda: setattr(world.chain, "gas_price", 100 * PRICE))
    task = first_task(await world.deal())
    for _ in range(10):
        await world.step()
    assert world.view(task).status is ChainTaskStatus.UNSET
    assert gas(world)["short"]
    world.chain.gas_price = PRICE
    await world.until(lambda: world.view(task).status is ChainTaskStatus.ACTIVE, steps=PROBE + 2)


async def test_what_is_owed_is_paid_before_anything_new(pool):
    world = await with_gas(pool, 20 * TASK)
    worker = await world.hired(slots=3)
    owed = await revealing(world, worker)
    as_it_sends(world, lambda: leave(world, 0))
    fresh = await world.deal()
    await worker.has_stored(owed, RIGHT)
    await world.step()
    assert [
        waiter.rank for each in world.scheduler.gas_budget._waiting.values() for waiter in each
    ] == [0, 3]
    before = len(world.calls())
    leave(world, ONE)
    for _ in range(PROBE + 3):
        await world.step()
    assert [type(call) for call in world.calls()[before:]] == [Finalize]
    assert world.view(owed).status is ChainTaskStatus.COMPLETED
    assert world.view(first_task(fresh)).status is ChainTaskStatus.UNSET


async def test_a_new_task_never_takes_the_gas_that_another_ones_end_needs(pool):
    world = await with_gas(pool, 20 * TASK)
    worker = await world.hired(slots=3)
    owed = await revealing(world, worker)
    as_it_sends(world, lambda: leave(world, ONE + FINALIZE_GAS * PRICE - 1))  # enough for either
    await world.deal()
    await world.step()
    assert sum(isinstance(call, Initialize) for call in world.calls()) == 1
    await worker.has_stored(owed, RIGHT)
    await world.until(lambda: world.view(owed).status is ChainTaskStatus.COMPLETED, steps=5)


async def test_what_waited_for_gas_until_it_was_in_vain_is_not_sent(pool):
    world = await with_gas(pool, 10 * TASK, quick=True)
    await world.hired()
    as_it_sends(world, lambda: leave(world, 0))
    deal = await world.deal()
    assert gas(world)["short"]
    await world.pass_to(deal.start_time + 7 * 300)
    leave(world, 10 * TASK)
    for _ in range(PROBE + 3):
        await world.step()
    assert world.view(first_task(deal)).status is ChainTaskStatus.UNSET
    assert not gas(world)["short"]
    await world.pass_to(deal.start_time + 10 * 300)
    await world.until(lambda: world.view(first_task(deal)).status is ChainTaskStatus.FAILED)
    assert [type(call) for call in world.calls()[-2:]] == [Initialize, Claim]


async def test_a_pool_that_restarts_without_gas_still_knows_what_it_owes(pool):
    world = await with_gas(pool, 20 * TASK)
    worker = await world.hired()
    owed = await revealing(world, worker)
    leave(world, 0)
    await worker.has_stored(owed, RIGHT)
    await world.step()
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    await world.step()
    assert world.pool.is_up
    assert gas(world)["short"]
    leave(world, ONE)
    await world.until(lambda: world.view(owed).status is ChainTaskStatus.COMPLETED, steps=PROBE)


async def waiting(pool, count):
    """Return the budget of a pool of which so many transactions wait for gas, and those let go."""
    world = await with_gas(pool, 0)
    budget, let_go = world.scheduler.gas_budget, []

    async def wait(purpose):
        await budget.refill("finalize", purpose, OutOfGas(f"{purpose}: too little"))
        let_go.append(purpose)

    tasks = [asyncio.create_task(wait(f"finalize:{number}")) for number in range(count)]
    await world.settle()
    return world, budget, let_go, tasks


async def test_however_many_wait_one_that_was_paid_lets_go_of_two(pool):
    world, budget, let_go, tasks = await waiting(pool, 50)
    budget.settled("finalize:0")
    await world.settle()
    assert let_go == ["finalize:0", "finalize:1"]
    for each in tasks:
        each.cancel()


async def test_a_refill_lets_go_of_as_many_as_it_pays_for_and_one(pool):
    world, _, let_go, tasks = await waiting(pool, 50)
    leave(world, 3 * FINALIZE_GAS * PRICE)
    await world.step()
    assert let_go == [f"finalize:{number}" for number in range(4)]
    for each in tasks:
        each.cancel()


async def test_a_refill_that_pays_for_more_than_a_word_counts_lets_go_of_all(pool):
    world, _, let_go, tasks = await waiting(pool, 5)
    leave(world, 2**64 * FINALIZE_GAS * PRICE)
    await world.step()
    assert len(let_go) == 5
    for each in tasks:
        each.cancel()
