"""Containers of an engine in memory that are joined, were removed, or ended while nobody looked."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import aiohttp
import pytest
from aiodocker import Docker
from container_world import LIMITS, until
from fake_engine import LABELS, STARTED, STARTED_AT, frame, serving

from poolhand.containers.docker import WATCHED, DockerRuntime
from poolhand.containers.errors import ContainerRefused, ContainerRemoved
from poolhand.containers.live import follow_logs
from poolhand.containers.pulls import Puller
from poolhand.containers.run_clock import RunClock
from poolhand.containers.sandboxes import Sandboxes
from poolhand.domain.errors import RuntimeDown


async def test_a_container_of_an_earlier_life_is_joined_and_not_started_again(
    runtime, engine, spec
):
    engine.add("task", labels=LABELS)
    engine.end("task")
    outcome = await runtime.run(spec)
    assert outcome.joined
    assert engine.started == []


async def test_a_container_that_runs_is_joined_and_its_clock_goes_on(runtime, engine, spec):
    engine.add("task", labels=LABELS, StartedAt="2026-11-27T23:00:00Z")
    outcome = await runtime.run(spec)
    assert (outcome.joined, outcome.timed_out) == (True, True)
    assert engine.killed == ["task"]


async def test_a_container_that_ended_while_nobody_looked_had_the_time_that_its_stamps_tell(
    runtime, engine, spec
):
    for seconds, late in ((2, False), (90, True)):
        ended = f"2026-11-28T00:0{seconds // 60}:{seconds % 60:02}Z"
        engine.add("task", labels=LABELS, StartedAt="2026-11-28T00:00:00Z", FinishedAt=ended)
        engine.end("task")
        outcome = await runtime.run(replace(spec, timeout=60))
        assert (outcome.joined, outcome.seconds, outcome.timed_out) == (True, seconds, late)


@pytest.mark.parametrize(
    ("ended", "seconds"), [("2026-11-28T05:00:00.5Z", 18_000), ("2026-11-27T00:00:00Z", 0)]
)
async def test_a_clock_that_is_set_while_an_app_runs_makes_nobody_late(
    runtime, engine, spec, ended, seconds
):
    def ends(name):
        engine.containers[name]["State"]["FinishedAt"] = ended
        engine.end(name)

    engine.on_start = ends
    outcome = await runtime.run(spec)
    assert (outcome.seconds, outcome.timed_out) == (seconds, False)


async def test_what_stamps_tell_of_a_container_that_we_started_holds_only_within_our_own_time(
    runtime, engine, spec
):
    """The engine is gone while the app runs; a clock that was set meanwhile is in its stamps."""

    def dies(name):
        engine.containers[name]["State"]["FinishedAt"] = "2026-11-28T05:00:00Z"
        engine.refusals["wait"] = 500, "it ends"

    engine.on_start = dies
    with pytest.raises(RuntimeDown):
        await runtime.run(spec)
    engine.refusals.clear()
    engine.end("task")
    outcome = await runtime.run(spec)
    assert (outcome.joined, outcome.timed_out) == (True, False)


@pytest.mark.parametrize("status", ["running", "exited"])
async def test_an_engine_that_has_no_stamps_makes_nobody_late(runtime, engine, spec, status):
    none = "0001-01-01T00:00:00Z"
    engine.add("task", labels=LABELS, StartedAt=none, FinishedAt=none)
    if status == "exited":
        engine.end("task")
    else:
        asyncio.get_running_loop().call_later(0.05, engine.end, "task")
    outcome = await runtime.run(spec)
    assert (outcome.joined, outcome.timed_out, engine.killed) == (True, False, [])


async def test_an_engine_that_is_not_reached_in_time_is_away_and_no_app_is_late(engine, spec):
    """Both are time-outs to Python. The one connection is taken by who reads the app's output."""
    async with serving(engine) as url:
        only = aiohttp.UnixConnector(url.removeprefix("unix://"), limit=1)
        docker = Docker("http://it", connector=only, timeout=aiohttp.ClientTimeout(connect=0.2))

        async def read():
            asyncio.get_running_loop().call_later(0.4, engine.printing.put_nowait, None)
            return [each async for each in follow_logs(docker, "task", 1, live=True)]

        readers = []
        engine.on_start = lambda _name: readers.append(asyncio.create_task(read()))
        sandboxes = Sandboxes(docker, "runc", "{}", network=False)
        runtime = DockerRuntime(
            docker, url, Puller(docker, url), sandboxes, time.time, WATCHED, None
        )
        async with only, docker:
            with pytest.raises(RuntimeDown):
                await runtime.run(spec)
            await asyncio.gather(*readers)
        assert engine.killed == []


async def test_an_app_that_ended_in_time_is_not_late_though_the_engine_told_so_late(
    runtime, engine, spec
):
    """The answer to ``wait`` is lost on its way; when time is up there is nothing to be stopped."""
    boxes = engine.containers

    def ends_unheard(name):
        heard, boxes[name]["ended"] = asyncio.Event(), asyncio.Event()
        boxes[name]["State"] |= {"Status": "exited", "FinishedAt": STARTED}
        boxes[name]["ended"] = Lost(heard)

    class Lost:
        """Ended, and the first who waits for it does not hear of it."""

        def __init__(self, heard):
            self.heard, self.asked = heard, 0

        def is_set(self):
            return True

        def set(self):
            self.heard.set()

        async def wait(self):
            self.asked += 1
            if self.asked == 1:
                await self.heard.wait()

    engine.on_start = ends_unheard
    outcome = await runtime.run(replace(spec, timeout=0.2))
    assert (outcome.exit_code, outcome.timed_out, engine.killed) == (0, False, [])


async def test_an_app_is_not_late_by_the_time_in_which_its_engine_hung(runtime, engine, spec):
    """It carries out a start long after it was asked for it, and after nobody waited any more."""
    clock = [0.0]
    times = RunClock(now=lambda: STARTED_AT + clock[0], clock=lambda: clock[0])
    times.begin("task")
    clock[0] = 400.0
    state = {"StartedAt": "2026-11-28T00:06:39.5Z", "FinishedAt": "0001-01-01T00:00:00Z"}
    assert times.spent("task", state) == 1.0


async def test_a_container_that_was_never_started_is_made_anew(runtime, engine, spec):
    engine.add("task", labels=LABELS, Status="created")
    await runtime.run(spec)
    assert engine.removed[0] == "task"
    assert engine.started == ["task"]


@pytest.mark.parametrize("status", ["removing", "dead"])
async def test_a_container_that_is_about_to_vanish_is_awaited(runtime, engine, spec, status):
    engine.add("task", labels=LABELS, Status=status)
    assert (await runtime.run(spec)).exit_code == 0
    assert engine.started == ["task"]


async def test_a_strangers_container_of_our_name_is_left_alone(runtime, engine, spec):
    engine.add("task", labels={"poolhand.worker": "0x2"})
    with pytest.raises(ContainerRefused, match="somebody else"):
        await runtime.run(spec)
    assert engine.removed == []


async def test_a_cancelled_run_leaves_its_container_to_the_next(runtime, engine, spec):
    engine.on_start = lambda _name: None
    first = asyncio.create_task(runtime.run(spec))
    await until(lambda: engine.started)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    engine.end("task")
    assert (await runtime.run(spec)).joined
    assert engine.started == ["task"]


async def test_a_container_that_somebody_removes_is_told(runtime, engine, spec):
    def vanish(name):
        engine.containers.pop(name)["ended"].set()

    engine.on_start = vanish
    with pytest.raises(ContainerRemoved):
        await runtime.run(spec)


async def test_logs_that_vanish_with_their_container_are_told(runtime, engine, spec):
    engine.refusals["logs"] = (404, "no such container")
    with pytest.raises(ContainerRemoved):
        await runtime.run(spec)


async def test_only_the_tail_of_long_logs_is_kept(runtime, engine, spec):
    engine.logs = b"".join(frame(1, bytes([n % 256]) * 999) for n in range(100)) + b"\x01\0\0\0\0"
    outcome = await runtime.run(spec)
    assert len(outcome.stdout) == LIMITS.log
    assert outcome.stdout.endswith(bytes([99]) * 999)
