"""A worker's claim to have stored a result, for as long as that is checked."""

from __future__ import annotations

import asyncio

from pool_world import RIGHT, TO_CONTRIBUTED, S, first_task

from poolhand.domain.result_link import location_at
from poolhand.domain.task.rules import UPLOAD_SILENCE
from poolhand.wire.messages import AcknowledgeReports, AskUpload, Upload


class Gated:
    """A results service that answers when it is told to."""

    def __init__(self):
        self.answer, self.asked = asyncio.get_running_loop().create_future(), 0

    async def location(self, task_id):
        self.asked += 1
        held = await asyncio.shield(self.answer)
        return location_at("http://results.test", task_id) if held else None


async def claiming(pool):
    """Return a pool that is checking what the first of two winners claims to have stored."""
    world = await pool()
    first, second = await world.hired(), await world.hired()
    shelf = world.scheduler.check_queue._checker._shelf = Gated()
    task = first_task(await world.deal(trust=3))
    await world.step()
    for worker in (first, second):
        await worker.reports(task, *TO_CONTRIBUTED)
        worker.contributes(task)
    await world.step()
    for worker in (first, second):
        worker.reveals(task)
    await world.step()
    for worker in (first, second):
        await worker.reports(task, S.REVEALING, S.REVEALED)
    asked = first if AskUpload in first.kinds() else second
    await asked.reports(task, S.RESULT_UPLOAD_REQUESTED, S.RESULT_UPLOADING)
    await asked.has_stored(task)
    return world, task, asked, second if asked is first else first, shelf


async def test_nobody_else_is_asked_for_a_result_while_a_claim_of_it_is_checked(pool):
    world, task, asked, other, shelf = await claiming(pool)
    assert world.status(task, asked) is S.RESULT_UPLOADED
    assert asked.last(AcknowledgeReports) == AcknowledgeReports(task, asked.count[task])
    await world.step(UPLOAD_SILENCE)
    assert AskUpload not in other.kinds()
    shelf.answer.set_result(True)
    await world.settle()
    assert world.task(task).stored.worker == asked.address
    assert AskUpload not in other.kinds()


async def test_a_claim_that_does_not_hold_has_another_asked(pool):
    world, task, _, other, shelf = await claiming(pool)
    shelf.answer.set_result(False)
    await world.settle()
    world.clock.advance(5)
    await world.settle()
    for _ in range(10):
        await world.step()
    assert world.task(task).stored is None
    assert AskUpload in other.kinds()


async def test_a_claim_of_a_worker_that_left_is_checked_all_the_same(pool):
    world, task, asked, _, shelf = await claiming(pool)
    await asked.leaves()
    shelf.answer.set_result(True)
    await world.settle()
    assert not world.task(task).attempt(asked.address).live
    assert world.task(task).stored.worker == asked.address


async def test_a_pool_that_restarts_during_a_check_checks_again(pool):
    world, task, asked, other, _ = await claiming(pool)
    await world.pool.kill()
    world.pool.start()
    await world.settle()
    assert world.task(task).stored.worker == asked.address
    assert AskUpload not in other.kinds()


async def test_reports_that_repeat_an_upload_do_not_have_it_checked_twice(pool):
    world, task, asked, _, shelf = await claiming(pool)
    upload = Upload("another link", None, RIGHT)
    for _ in range(3):
        await asked.reports(task, S.RESULT_UPLOADED, first=asked.count[task] - 1, upload=upload)
    assert shelf.asked == 1
    assert world.task(task).claim.link != "another link"
