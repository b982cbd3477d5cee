"""A worker that vanishes holds nothing up for 30 s, and finds its work again when it is back."""

from __future__ import annotations

import asyncio

import pytest
from pool_world import TO_COMPUTED, S, first_task
from session_player import Player, with_sessions

from poolhand.domain.ids import ZERO_ADDRESS
from poolhand.domain.onchain import ChainTaskStatus, ContributeAndFinalize
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.rules import is_working
from poolhand.wire.messages import Aborted, Held, OfferTask, Upload
from poolhand.wire.session import HEARTBEAT, WORKER_LEASE

PROMISE = 30
"""Seconds after which a lost worker is replaced, at the latest."""


async def computing_with_a_spare(pool):
    """Return a pool, a worker at work for a while, and another that is free."""
    world = await pool(quick=True)
    with_sessions(world)
    gone = await Player(world, world.hire().wallet).joins()
    task = first_task(await world.deal())
    await gone.reports(task, *TO_COMPUTED[:-1])
    spare = await Player(world, world.hire().wallet).joins()
    for _ in range(3 * PROMISE):  # at work for longer than any lease
        if world.clock.now() % HEARTBEAT == 0:
            await gone.beats()
        await spare.beats()
        await second(world)
    assert world.status(task, gone) is S.COMPUTING
    assert not spare.was_told(OfferTask, task)
    await gone.beats()
    return world, task, gone, spare


async def second(world):
    world.clock.advance(1)
    await world.settle()


async def seconds_until_replaced(world, task, spare):
    for passed in range(1, 3 * PROMISE):
        await second(world)
        await spare.beats()
        if spare.was_told(OfferTask, task):
            return passed
    raise AssertionError("nobody was given the task")


@pytest.mark.parametrize("way", ["silent", "cut", "chain away"])
async def test_a_worker_lost_while_computing_is_replaced_within_the_promise(pool, way):
    world, task, gone, spare = await computing_with_a_spare(pool)
    if way == "cut":
        gone.drops_its_cable()
    world.chain.outage = way == "chain away"
    passed = await seconds_until_replaced(world, task, spare)
    assert WORKER_LEASE < passed <= WORKER_LEASE + 2 < PROMISE
    assert world.status(task, gone) is S.WORKER_LOST
    assert not is_working(world.task(task), world.task(task).attempt(gone.address))
    world.chain.outage = False


async def test_a_results_service_that_hangs_does_not_hide_a_lost_worker(pool):
    world = await pool()
    with_sessions(world)
    gone = await Player(world, world.hire().wallet, slots=2).joins()
    first, second_one = (name for _, name in (await world.deal(tasks=2)).tasks())
    await world.step()
    await gone.reports(first, *TO_COMPUTED)
    await gone.reports(second_one, *TO_COMPUTED[:-1])
    spare = await Player(world, world.hire().wallet, slots=2).joins()
    shelf = world.scheduler.check_queue._checker._shelf = Hanging()
    upload = Upload("a link", None, bytes(32))
    await gone.reports(first, S.RESULT_UPLOADING, S.RESULT_UPLOADED, upload=upload)
    assert shelf.asked == 1
    assert WORKER_LEASE < await seconds_until_replaced(world, second_one, spare) < PROMISE


class Hanging:
    """A results service that takes the question and never answers."""

    def __init__(self):
        self.asked = 0

    async def location(self, task_id):
        self.asked += 1
        await asyncio.Event().wait()


async def test_a_worker_that_is_back_stands_where_it_stood_and_nobody_else_is_hired(pool):
    world, task, gone, spare = await computing_with_a_spare(pool)
    await seconds_until_replaced(world, task, spare)
    back = await Player(world, gone.wallet).joins(held=(Held(task, S.COMPUTING),))
    log = [entry.status for entry in world.task(task).attempt(gone.address).log]
    assert log[-3:] == [S.COMPUTING, S.WORKER_LOST, S.COMPUTING]
    third = await Player(world, world.hire().wallet).joins()
    await world.step()
    assert not third.was_told(OfferTask, task)
    assert len(world.task(task).attempts) == 2
    assert not back.was_told(Aborted, task)


async def test_who_is_superfluous_when_it_is_back_is_told_so_by_the_chain(pool):
    world, task, gone, spare = await computing_with_a_spare(pool)
    await seconds_until_replaced(world, task, spare)
    back = await Player(world, gone.wallet).joins(held=(Held(task, S.COMPUTING),))
    await world.step()
    settles(world, spare, task)
    await world.step()
    assert world.view(task).status is ChainTaskStatus.COMPLETED
    assert back.was_told(Aborted, task)
    (end,) = [m for m in back.heard if isinstance(m, Aborted)]
    assert end.cause == Status.ABORTED_ON_CONSENSUS_REACHED


def settles(world, worker, task):
    digest = bytes([9] * 32)
    signed = world.owner.sign_authorization(worker.address, task, ZERO_ADDRESS)
    call = ContributeAndFinalize(task, digest, b'{"location": "there"}', b"", signed)
    world.chain.submit(worker.address, call)


async def test_a_pool_that_stood_still_itself_does_not_blame_its_workers(pool):
    world, task, gone, spare = await computing_with_a_spare(pool)
    world.clock.advance(10 * WORKER_LEASE)  # suspended: nobody was listened to
    await world.settle()
    assert world.status(task, gone) is S.COMPUTING
    assert not spare.was_told(OfferTask, task)
    assert WORKER_LEASE < await seconds_until_replaced(world, task, spare) < PROMISE


async def test_a_pool_that_stood_still_knows_nothing_of_workers_without_a_cable(pool):
    world, task, gone, spare = await computing_with_a_spare(pool)
    gone.drops_its_cable()
    world.clock.advance(10 * WORKER_LEASE)
    await world.settle()
    assert world.status(task, gone) is S.WORKER_LOST
    assert spare.was_told(OfferTask, task)
