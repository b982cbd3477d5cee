"""Clearing away: what fails for one task ends neither the service nor the clearing of the others."""

from __future__ import annotations

import asyncio

import pytest
from results_world import Scene, archive, digest_of

from poolhand.domain.errors import Bug, ChainUnreachable
from poolhand.ports.storage import StorageDown


class Bad:
    """A port that raises for one task."""

    def __init__(self, port, task_id, fault, *names):
        self._port, self._task_id, self._fault, self._names = port, task_id, fault, names

    def __getattr__(self, name):
        method = getattr(self._port, name)
        if name not in self._names:
            return method

        def call(about):
            if self._task_id == about or (isinstance(about, dict) and self._task_id in about):
                raise self._fault
            return method(about)

        return call


@pytest.fixture
async def scene(tmp_path):
    """A service in which two tasks have an archive each that lost."""
    made = await Scene(tmp_path / "vault").open()
    worker, other = made.workers[:2]
    made.tasks = []
    for _ in range(2):
        offer = await made.offer(worker)
        await made.put(other, made.share(other, offer), archive("forged"))
        await made.put(worker, offer)
        await made.settle(worker, offer, digest_of())
        made.tasks.append(offer.task_id)
    return made


FAULTS = [Bug("broken"), ValueError("a record of \ud800"), StorageDown("the disk failed")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
async def test_a_task_that_cannot_be_cleared_leaves_the_others_to_be(scene, fault):
    scene.intake._storage = Bad(scene.intake._storage, scene.tasks[0], fault, "of_task")
    assert await scene.intake.tidy_up() == 1


@pytest.mark.parametrize("fault", FAULTS[:2], ids=lambda fault: type(fault).__name__)
async def test_a_task_that_cannot_be_looked_at_leaves_the_others_to_be_cleared(scene, fault):
    scene.intake._hub = Bad(scene.intake._hub, scene.tasks[0], fault, "tasks")
    assert await scene.intake.tidy_up() == 1


@pytest.mark.parametrize("fault", [*FAULTS, ChainUnreachable("away")])
async def test_the_service_goes_on_when_it_cannot_tidy_up_at_all(scene, fault):
    class Broken:
        def __init__(self):
            self.rounds = 0

        async def tasks(self):
            self.rounds += 1
            raise fault

    scene.intake._storage = broken = Broken()
    tidying = asyncio.create_task(scene.intake.keep_tidy(60))
    for _ in range(100):
        await asyncio.sleep(0)
    assert broken.rounds == 1
    assert not tidying.done()
    tidying.cancel()
