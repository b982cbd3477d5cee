"""A pool that turns its worker away: told at once when nothing is at stake, outlived otherwise."""

from __future__ import annotations

import asyncio

import pytest
from scripted_pool import ScriptedPool

from poolhand.domain.onchain import ContributionStatus
from poolhand.wire.handshake import WorkerNotAllowed
from poolhand.worker.membership import PAUSE_AFTER_POOL_REFUSAL, keep_membership
from poolhand.worker.results_place import ResultsPlace


class Doors:
    """A session that the pool refuses until it is told to let the worker in."""

    def __init__(self) -> None:
        self.tries, self.are_shut = 0, True

    async def run(self, _listener):
        self.tries += 1
        if self.are_shut:
            raise WorkerNotAllowed("not on the list: ask the owner")


@pytest.fixture
async def pool(tmp_path):
    made = ScriptedPool(tmp_path)
    await made.opens()
    yield made
    await made.world.stop()


async def test_a_worker_refused_at_its_first_try_ends_with_the_pools_words(pool):
    with pytest.raises(WorkerNotAllowed, match="not on the list"):
        await keep_membership(Doors(), pool.member, pool.world.clock)


async def test_a_worker_that_does_by_itself_what_a_refusal_asks_for_stays(pool):
    doors, told = Doors(), []

    def helps_itself(fault):
        told.append(str(fault))
        return True

    keeping = keep_membership(doors, pool.member, pool.world.clock, helps_itself)
    staying = asyncio.create_task(keeping)
    await pool.world.settle()
    assert (staying.done(), told) == (False, ["not on the list: ask the owner"])
    doors.are_shut = False
    await pool.blocks(1, seconds=int(PAUSE_AFTER_POOL_REFUSAL))
    await staying


@pytest.mark.case("N6")
async def test_a_refusal_does_not_end_a_worker_that_was_let_in_before(pool):
    await pool.greets()
    doors = Doors()
    staying = asyncio.create_task(keep_membership(doors, pool.member, pool.world.clock))
    for tries in range(1, 4):
        await pool.world.settle()
        assert doors.tries == tries
        await pool.blocks(1, seconds=int(PAUSE_AFTER_POOL_REFUSAL))
    doors.are_shut = False
    await pool.blocks(1, seconds=int(PAUSE_AFTER_POOL_REFUSAL))
    await staying


async def test_a_worker_never_let_in_stays_until_its_stake_is_free_and_then_ends(pool):
    await pool.greets()
    task = await pool.contributed(trust=1)
    pool.member._place = ResultsPlace()  # as after a restart
    doors = Doors()
    staying = asyncio.create_task(keep_membership(doors, pool.member, pool.world.clock))
    await pool.blocks(2)
    assert pool.contribution(task).status is ContributionStatus.PROVED
    await pool.blocks(1, seconds=int(PAUSE_AFTER_POOL_REFUSAL))
    assert not staying.done()
    assert doors.tries == 2
    pool.finalize(task)
    await pool.blocks(20)  # until no re-organisation can take it back
    await pool.blocks(1, seconds=int(PAUSE_AFTER_POOL_REFUSAL))
    with pytest.raises(WorkerNotAllowed):
        await staying


async def test_a_pool_that_thinks_better_of_it_has_its_worker_back(pool):
    await pool.greets()
    await pool.contributed(trust=10)
    doors = Doors()
    staying = asyncio.create_task(keep_membership(doors, pool.member, pool.world.clock))
    await pool.world.settle()
    doors.are_shut = False
    await pool.blocks(1, seconds=int(PAUSE_AFTER_POOL_REFUSAL))
    await staying
    assert doors.tries == 2
