"""A pool that drains: it sells nothing new, finishes what is open, and says when that is done."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from pool_world import TO_CONTRIBUTED, PoolWorld, S, first_task
from sale_world import market_for, passes
from started_pool import Started

from network.world import RLC
from poolhand.cli.draining import (
    MOST_STUCK_TASKS,
    PoolResumed,
    drain_report,
    order_drain,
    stuck_lines,
    until_done,
)
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import ChainTaskStatus
from poolhand.domain.task.stuck import Rescue
from poolhand.domain.trust import Trust
from poolhand.domain.units import NanoRlc
from poolhand.keys.errors import WalletInUse
from poolhand.keys.lock import WalletLock
from poolhand.scheduler.api.stuck_tasks import LOOKED_AT, StuckTasks
from poolhand.scheduler.preflight import Asked
from poolhand.scheduler.pricing import PoolDraining
from poolhand.wire.pool_drain import DrainOrder, DrainStanding, StuckTask

DRAIN, CANCEL, SELL = (
    DrainOrder(drains=True),
    DrainOrder(drains=True, cancels=True),
    DrainOrder(drains=False),
)


@pytest.fixture
async def stage(tmp_path):
    world = PoolWorld(tmp_path, prices={0: NanoRlc(RLC), 1: NanoRlc(4 * RLC)}, preflight=True)
    async with market_for(world, tmp_path) as market:
        world.pool.markets = (market.client,)
        await world.start()
        yield world, market
        await world.stop()


async def settles(world, worker, task):
    """Take a trust-1 task to its end."""
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    await worker.reports(
        task, S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING
    )
    await worker.has_stored(task)
    await world.until(lambda: world.view(task).status is ChainTaskStatus.COMPLETED)
    await worker.reports(task, S.COMPLETED)


async def test_a_pool_that_drains_sells_nothing_finishes_what_is_open_and_says_when(stage):
    world, market = stage
    worker = await world.hired()
    await passes(world, market)
    before = set(await market.shown())
    assert len(before) == 2
    task = first_task(await world.deal())
    await world.step()
    said = await world.scheduler.drains.ask(DRAIN)
    assert (said.draining, said.open_tasks, said.shown, said.done) == (True, 1, 2, False)
    await passes(world, market)
    assert await market.shown() == {}
    with pytest.raises(PoolDraining, match="finishes what is open"):
        await world.scheduler.pricing.order(Asked(category=0, trust=Trust(1)))
    said = world.scheduler.drains.tell()
    assert (said.open_tasks, said.shown, said.valid, said.done) == (1, 0, 2, False)
    await settles(world, worker, task)
    said = world.scheduler.drains.tell()
    assert (said.open_tasks, said.valid, said.done) == (0, 2, True)
    await world.scheduler.drains.ask(SELL)
    await passes(world, market)
    assert set(await market.shown()) == before, "the same orders are shown again"


async def test_a_drain_is_remembered_over_a_restart_until_it_is_taken_back(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    await world.scheduler.drains.ask(DRAIN)
    for sells in (False, True):
        await world.pool.kill()
        world.pool.start()
        await world.settle()
        await world.hire().arrives()
        await passes(world, market)
        assert bool(await market.shown()) is sells
        assert world.scheduler.drains.tell().draining is not sells
        await world.scheduler.drains.ask(SELL)
        await passes(world, market)


async def test_before_its_end_a_pool_cancels_every_order_on_chain_and_no_other_is_signed(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    signed = [each.order_hash for each in world.scheduler.sale.book.orders]
    said = await world.scheduler.drains.ask(CANCEL)
    assert (said.valid, said.done) == (2, False)
    await passes(world, market, seconds=12)
    state = world.chain.state
    assert all(state.consumed[name] for name in signed)
    assert [each.order_hash for each in world.scheduler.sale.book.orders] == signed
    said = world.scheduler.drains.tell()
    assert (said.valid, said.shown, said.done) == (0, 0, True)
    await market.follow()
    await world.scheduler.drains.ask(SELL)
    await passes(world, market, seconds=12)
    shown = set(await market.shown())
    assert len(shown) == 2
    assert not shown & {str(name) for name in signed}


async def test_orders_of_an_earlier_run_are_cancelled_where_no_market_is_named_any_more(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    (name, _) = [each.order_hash for each in world.scheduler.sale.book.orders]
    await world.pool.kill()
    world.pool.markets = ()
    world.pool.start()
    await world.settle()
    await world.scheduler.drains.ask(CANCEL)
    for _ in range(12):
        await world.step()
    assert world.chain.state.consumed[name]
    assert world.scheduler.drains.tell().done


async def test_a_market_that_does_not_answer_keeps_a_drain_from_being_done_and_is_named(stage):
    world, market = stage
    await world.hired()
    await passes(world, market)
    market.line.is_down = True
    await world.scheduler.drains.ask(DRAIN)
    await passes(world, market)
    said = world.scheduler.drains.tell()
    assert (said.shown, said.done) == (2, False)
    assert list(said.markets) == [market.client.url]


# ---------------------------------------------------------------------------------- the command line


def held(started):
    with pytest.raises(WalletInUse) as caught:
        WalletLock(started.settings.locks, started.world.owner.address).acquire()
    return caught.value


async def beside(work, *args, **kwargs):
    """Do something as another program does, while the pool runs."""
    with ThreadPoolExecutor(1) as threads:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(threads, lambda: work(*args, **kwargs))


async def test_the_owner_drains_a_pool_through_its_lock_and_a_restart_knows_it(tmp_path):
    started = Started(tmp_path)
    async with started.serving():
        said = await beside(order_drain, held(started), drains=True)
        assert (said.draining, said.done) == (True, True)
        told = []
        assert (await beside(until_done, held(started), told.append)).done
        assert told == []
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        assert (await http.get(f"{started.urls[-1]}/v1/drain")).json()["draining"] is True
        answer = await http.get(f"{started.urls[-1]}/v1/order")
        assert (answer.status_code, answer.json()["code"]) == (503, "pool-draining")
        health = (await http.get(f"{started.urls[-1]}/health")).json()
        assert "drains" in health["sells_nothing_because"]
        await beside(order_drain, held(started), drains=False)
        with pytest.raises(PoolResumed):
            await beside(until_done, held(started), print)


@pytest.mark.parametrize("body", [{}, {"drains": 1}, {"drains": True, "more": True}])
async def test_a_drain_is_the_owners_alone_and_exactly_said(tmp_path, body):
    started = Started(tmp_path)
    async with started.serving(), httpx.AsyncClient(trust_env=False) as http:
        taken = held(started).orders
        answer = await http.post(f"{taken.url}/v1/drain", json={"drains": True})
        assert (answer.status_code, answer.json()["code"]) == (401, "not-the-owner")
        bearer = {"Authorization": f"Bearer {taken.token}"}
        answer = await http.post(f"{taken.url}/v1/drain", json=body, headers=bearer)
        assert answer.status_code in (400, 422)
        assert (await http.get(f"{taken.url}/v1/drain")).json()["draining"] is False


# ------------------------------------------------------------------------- tasks that cannot end


async def test_a_drain_names_a_task_that_no_worker_is_there_for_and_until_when_it_waits(stage):
    world, market = stage
    deal = await world.deal()
    await world.step()
    said = await world.scheduler.drains.ask(DRAIN)
    (stuck,) = said.stuck
    assert (stuck.task_id, stuck.deal_id) == (first_task(deal), deal.deal_id)
    assert "no worker of this pool takes tasks now" in stuck.why
    assert stuck.rescue is Rescue.POOL
    assert "connects a worker that can, before" in stuck.advice
    assert stuck.until == deal.start_time + 10 * 300
    assert stuck.remaining == stuck.until - world.chain.head.timestamp
    worker = await world.hired()
    await passes(world, market)
    assert world.scheduler.drains.tell().stuck == ()
    await worker.leaves()
    await world.pass_to(deal.start_time + 7 * 300)
    (stuck,) = world.scheduler.drains.tell().stuck
    assert stuck.rescue is Rescue.NOBODY
    assert "time for contributions is over" in stuck.why
    assert "its requester is refunded" in stuck.advice
    await world.pass_to(deal.start_time + 10 * 300)
    await world.done()
    said = world.scheduler.drains.tell()
    assert (said.stuck, said.open_tasks) == ((), 0)
    assert said.done


async def test_a_task_whose_workers_are_away_with_its_result_names_them(stage):
    world, _ = stage
    worker = await world.hired()
    task = first_task(await world.deal())
    await world.step()
    await worker.reports(task, *TO_CONTRIBUTED)
    worker.contributes(task)
    await world.step()
    assert world.view(task).status is ChainTaskStatus.REVEALING
    await world.scheduler.drains.ask(DRAIN)
    assert world.scheduler.drains.tell().stuck == ()
    await worker.leaves()
    await world.until(lambda: world.scheduler.drains.tell().stuck, seconds=20)
    (stuck,) = world.scheduler.drains.tell().stuck
    assert stuck.rescue is Rescue.WORKER
    assert stuck.why == (f"its result is not revealed, and whoever could is away: {worker.address}")


async def test_looking_for_stuck_tasks_costs_the_same_however_many_are_open(pool):
    world = await pool()
    asked = []

    class Counted:
        def obstacle(self, task):
            asked.append(task)
            return "nobody can"

    stuck = StuckTasks(world.scheduler.engine, Counted(), world.clock.now)
    for _ in range(3):
        await world.deal(tasks=LOOKED_AT)
        await world.step()
        asked.clear()
        assert len(stuck.found()) == len(asked) == LOOKED_AT
    assert stuck.count == 3 * LOOKED_AT


def standing(*rescues, open_tasks=None):
    tasks = [
        StuckTask(
            task_id=TaskId(bytes([number] * 32)), deal_id=DealId(bytes([9] * 32)),
            why="nobody can", rescue=rescue, advice="wait", until=1_700_000_000, remaining=120,
        )
        for number, rescue in enumerate(rescues)
    ]  # fmt: skip
    count = len(tasks) if open_tasks is None else open_tasks
    return DrainStanding(
        draining=True, cancels=False, open_tasks=count, shown=0, valid=0, done=False,
        stuck=tuple(tasks),
    )  # fmt: skip


def test_stuck_tasks_are_named_to_a_person_with_how_long_they_wait_and_who_acts():
    told = str(drain_report(standing(Rescue.POOL, open_tasks=2)))
    assert "2 task(s) open, 1 of them stuck" in told
    assert str(TaskId(bytes(32))) in told
    assert "until 2023-11-14 22:13:20 UTC (in 2 minutes); wait" in told
    assert "can be saved" not in told
    many = stuck_lines(standing(*[Rescue.POOL] * 9))
    assert len(many) == MOST_STUCK_TASKS + 1
    assert many[-1] == "and 4 more; `--json` names them all"


def test_who_waits_only_for_what_cannot_be_saved_is_told_what_leaving_would_mean():
    told = stuck_lines(standing(Rescue.NOBODY, Rescue.NOBODY))
    assert "none of the open tasks can be saved" in told[-1]
    assert "poolhand deal claim" in told[-1]
    assert "saved" not in stuck_lines(standing(Rescue.NOBODY, Rescue.POOL))[-1]
    assert "saved" not in stuck_lines(standing(Rescue.NOBODY, open_tasks=2))[-1]
