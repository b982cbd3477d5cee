"""What the pool's owner sees of what workers have done: counted, by each and by all, and kept."""

from __future__ import annotations

import pytest
from pool_world import TO_COMPUTED, TO_CONTRIBUTED, S, first_task

from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.replicate.events import Entry, Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.tag import NO_TAG
from poolhand.domain.task.judgement import Judgement
from poolhand.domain.task.model import Attempt, Task, TaskFacts
from poolhand.domain.trust import Trust, Weight
from poolhand.domain.units import UnixSeconds
from poolhand.scheduler.worker_tallies import WorkerTallies
from poolhand.store.memory import MemoryJournal
from poolhand.store.section import Section

PERIOD = 300
ONE, OTHER, THIRD = (Address(bytes([number] * 20)) for number in (1, 2, 3))
TASK = Task(
    TaskFacts(
        TaskId(bytes(32)), DealId(bytes(32)), 0, Trust(1), Flow.STANDARD, NO_TAG,
        UnixSeconds(7 * PERIOD), UnixSeconds(10 * PERIOD),
    ),
    UnixSeconds(0),
)  # fmt: skip


def attempt(worker, *moments):
    """A replicate whose worker tells when it began to compute and, if it does, when it was through."""
    told = zip((Status.COMPUTING, Status.COMPUTED), moments, strict=False)
    return Attempt(worker, Weight(1), tuple(Entry(status, at) for status, at in told))


def test_the_mean_is_of_all_tasks_that_were_settled_and_of_each_worker_alone():
    tallies = WorkerTallies()
    for took in (10, 20, 45):
        tallies.judged(TASK, attempt(ONE, 1000, 1000 + took), Judgement.SETTLED)
    tallies.judged(TASK, attempt(OTHER, 0, 7), Judgement.SETTLED)
    assert (tallies.of(ONE).mean_seconds, tallies.of(OTHER).mean_seconds) == (25.0, 7.0)
    assert tallies.of(THIRD).mean_seconds is None


@pytest.mark.parametrize("moments", [(), (100,), (100, 99), (0, 10 * PERIOD + 1)])
def test_a_clock_that_tells_nonsense_spoils_no_mean(moments):
    tallies = WorkerTallies()
    tallies.judged(TASK, attempt(ONE, 0, 8), Judgement.SETTLED)
    tallies.judged(TASK, attempt(ONE, *moments), Judgement.SETTLED)
    assert (tallies.of(ONE).settled, tallies.of(ONE).mean_seconds) == (2, 8.0)


def test_faults_are_counted_and_what_is_nobodys_is_not():
    tallies = WorkerTallies()
    for each in Judgement:
        tallies.judged(TASK, attempt(ONE, 0, 8), each)
    assert (tallies.of(ONE).settled, tallies.of(ONE).failed) == (1, 1)
    assert (tallies.settled, tallies.failed) == (1, 1)


def test_of_very_many_workers_who_was_not_heard_of_for_longest_is_forgotten_but_in_the_sum():
    tallies = WorkerTallies(most=2)
    for worker in (ONE, OTHER, ONE, THIRD):
        tallies.judged(TASK, attempt(worker, 0, 8), Judgement.SETTLED)
    assert [tallies.of(each).settled for each in (ONE, OTHER, THIRD)] == [2, 0, 1]
    assert tallies.settled == 4


def test_what_was_counted_is_there_after_every_restart_and_goes_on():
    journal = MemoryJournal()
    for restart in range(4):
        tallies = WorkerTallies(Section(journal, "tally"))
        tallies.recover()
        for _ in range(5):
            tallies.judged(TASK, attempt(ONE, 0, 8 + restart), Judgement.SETTLED)
            tallies.judged(TASK, attempt(OTHER), Judgement.WORKERS_FAULT)
        known = tallies.of(ONE)
        assert (known.settled, known.failed, known.timed) == (5 * restart + 5, 0, 5 * restart + 5)
        assert known.seconds == sum(5 * (8 + each) for each in range(restart + 1))
        assert tallies.of(OTHER).failed == 5 * restart + 5
        assert (tallies.settled, tallies.failed) == (5, 5), "alerts are about this run"
    assert len(list(journal.read())) < 25


async def test_a_pool_that_was_killed_shows_its_owner_what_workers_did_before(pool):
    world = await pool()
    worker = await world.hired()
    for restart in range(1, 4):
        task = first_task(await world.deal())
        await settles(world, worker, task)
        await worker.leaves()
        await world.pool.kill()
        world.pool.start()
        await world.settle()
        worker.count.clear()
        await worker.arrives()
        (row,) = world.scheduler.owners_workers.page(None, 9).workers
        assert (row.settled, row.failed) == (restart, 0)
        assert row.mean_seconds == 20.0


async def settles(world, worker, task):
    await worker.reports(task, *TO_COMPUTED[:-1])
    await world.step(20)
    await worker.reports(task, *TO_CONTRIBUTED[len(TO_COMPUTED) - 1 :])
    worker.contributes(task)
    await world.step()
    worker.reveals(task)
    await world.step()
    told = (S.REVEALING, S.REVEALED, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING)
    await worker.reports(task, *told)
    await worker.has_stored(task)
    for _ in range(4):
        await world.step()
