"""An outage is a line when it begins and one when it is over, however often the worker tries."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
import structlog
from scripted_pool import ScriptedPool
from structlog.testing import capture_logs

from network.world import writes
from poolhand.containers.errors import DiskUnready, EngineFull
from poolhand.containers.noop import ended
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status
from poolhand.worker.app_engine import ENGINE_TRIES, AppEngine
from poolhand.worker.gpus import WorkerGpus


class Answers:
    """An engine that answers as it is told, whatever it is asked."""

    def __init__(self, *answers):
        self._answers = iter(answers)

    def used_by(self, shop):
        gpus = WorkerGpus((), shop.clock)
        return AppEngine(self, "worker", {"poolhand.worker": "0x1"}, shop.clock, gpus)

    async def pull(self, *_asked):
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    run = pull


@pytest.fixture
def lines():
    """What is logged of outages: event and level."""
    structlog.reset_defaults()
    with structlog.testing.capture_logs() as told:
        yield told


def outages(lines, subject):
    return [line["event"] for line in lines if line["event"].startswith(subject)]


async def test_a_chain_that_hands_wait_for_is_told_of_once_and_once_when_it_is_back(shop, lines):
    offer = shop.offer(await shop.deal())
    shop.chain.outage = True
    looking = asyncio.create_task(shop.worker.views.now(offer.task_id))
    await shop.blocks(30)
    assert not looking.done()
    assert outages(lines, "chain_") == ["chain_unreachable"]
    assert {"cause", "acts", "next_step", "seconds"} <= lines[-1].keys()
    shop.chain.outage = False
    await shop.blocks(2)
    await looking
    assert outages(lines, "chain_") == ["chain_unreachable", "chain_reached"]


async def test_eyes_that_see_no_chain_say_so_once_and_once_when_they_see_again(tmp_path, lines):
    pool = ScriptedPool(tmp_path, slots=1)
    await pool.opens()
    await pool.greets()
    task = await pool.contributed(trust=10)
    pool.chain.outage = True
    pool.member.chain_watch.look(task)
    await pool.blocks(30)
    assert outages(lines, "chain_") == ["chain_unreachable"]
    pool.chain.outage = False
    await pool.blocks(3)
    assert outages(lines, "chain_") == ["chain_unreachable", "chain_reached"]
    await pool.world.stop()


@pytest.mark.parametrize("action", [Action.DOWNLOAD_APP, None])
async def test_an_engine_that_is_away_is_told_of_once_and_once_when_it_is_back(shop, lines, action):
    shop.node.runtime.apps = {"registry.test/words": writes("x")}
    replicate = shop.replicate(shop.offer(await shop.deal()))
    shop.node.runtime.is_down = True
    stages = shop.stages
    work = stages.clean(replicate) if action is None else stages.perform(replicate, action)
    stage = asyncio.create_task(work)
    await shop.blocks(30)
    assert outages(lines, "engine_") == ["engine_unreachable"]
    shop.node.runtime.is_down = False
    await shop.blocks(2)
    await stage
    assert outages(lines, "engine_") == ["engine_unreachable", "engine_reached"]


async def test_a_disk_that_an_app_cannot_be_given_is_no_engine_that_is_away(shop, lines, pulled):
    name = "registry.test/words"
    shop.node.runtime.apps = {name: writes("x")}
    shop.node.runtime.faults[name] = DiskUnready("words", "no space left on device")
    stage = asyncio.create_task(shop.stages.perform(pulled, Action.COMPUTE))
    await shop.blocks(30)
    await shop.stages.clean(pulled)  # an answer, but none about disks
    assert outages(lines, "app_disk_") == ["app_disk_unready"]
    del shop.node.runtime.faults[name]
    await shop.blocks(2)
    await stage
    assert outages(lines, "app_disk_") == ["app_disk_unready", "app_disk_ready"]
    assert not outages(lines, "engine_")


async def test_an_engine_without_room_for_an_image_is_no_engine_that_is_away(shop, lines):
    name = "registry.test/words"
    shop.node.runtime.apps = {name: writes("x")}
    shop.node.runtime.faults[name] = EngineFull(name)
    replicate = shop.replicate(shop.offer(await shop.deal()))
    for _ in range(2):  # at once: a try may fetch a gigabyte
        await shop.stages.clean(replicate)  # an answer, but none about room
        ended = await shop.stages.perform(replicate, Action.DOWNLOAD_APP)
        assert ended.outcome is Status.FAILED
        assert "the engine's disk is full" in ended.detail
    assert not outages(lines, "engine_")
    del shop.node.runtime.faults[name]
    ended = await shop.stages.perform(replicate, Action.DOWNLOAD_APP)
    assert ended.outcome is Status.APP_DOWNLOADED


@pytest.mark.parametrize(
    ("answer", "action"),
    [
        (EngineFull("words"), Action.DOWNLOAD_APP),
        (DiskUnready("words", "no space left on device"), Action.COMPUTE),
    ],
)
async def test_an_engine_that_was_away_is_back_when_it_answers_that_something_has_no_room(
    shop, lines, pulled, answer, action
):
    name = "registry.test/words"
    shop.node.runtime.apps = {name: writes("x")}
    shop.node.runtime.is_down = True
    stage = asyncio.create_task(shop.stages.perform(pulled, action))
    await shop.blocks(10)
    shop.node.runtime.is_down, shop.node.runtime.faults[name] = False, answer
    await shop.blocks(10)
    assert outages(lines, "engine_") == ["engine_unreachable", "engine_reached"]
    stage.cancel()
    await asyncio.gather(stage, return_exceptions=True)


async def test_an_engine_that_comes_back_at_the_last_try_is_told(shop, lines):
    engine = Answers(*[RuntimeDown("away")] * ENGINE_TRIES, "reference").used_by(shop)
    pulling = asyncio.create_task(engine.pull("registry.test/words", "ab" * 32, 60))
    await shop.blocks(120)
    assert await pulling == "reference"
    assert outages(lines, "engine_") == ["engine_unreachable", "engine_reached"]


async def test_a_run_that_was_joined_says_nothing_of_disks(shop, lines):
    unready = DiskUnready("words", "no space left on device")
    engine = Answers(unready, replace(ended(), joined=True), ended()).used_by(shop)
    running = asyncio.create_task(engine.run(None))
    await shop.blocks(5)
    assert (await running).joined
    assert outages(lines, "app_disk_") == ["app_disk_unready"]
    await engine.run(None)
    assert outages(lines, "app_disk_") == ["app_disk_unready", "app_disk_ready"]


@pytest.mark.case("E25")
async def test_a_pool_that_stays_away_is_told_once_and_again_when_it_leaves_anew(tmp_path):
    pool = ScriptedPool(tmp_path)
    await pool.opens()
    await pool.greets()
    structlog.reset_defaults()
    with capture_logs() as told:
        for _ in range(5):
            await pool.member.disconnected("the pool does not answer", 2.0)
        await pool.greets()
        await pool.member.disconnected("the pool does not answer", 2.0)
    await pool.world.stop()
    assert [each["event"] for each in told].count("pool_left") == 2
