"""``DockerRuntime`` over an engine in memory: its whole conversation, without Docker."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest
from container_world import MIB, believed, until
from fake_engine import STARTED, STARTED_AT

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.errors import ContainerRefused, ContainerRemoved
from poolhand.containers.start_doubts import DOUBTED
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import Mount


async def test_a_run_ends_with_code_streams_and_seconds_and_leaves_nothing(runtime, engine, spec):
    engine.exit_code = 3
    outcome = await runtime.run(spec)
    assert (outcome.exit_code, outcome.stdout, outcome.stderr) == (3, b"out\n", b"err\n")
    assert (outcome.seconds, outcome.timed_out, outcome.joined) == (2.0, False, False)
    assert engine.containers == {}
    assert engine.removed == ["task"]


async def test_what_the_sandbox_says_is_what_the_engine_gets(runtime, engine, spec):
    await runtime.run(spec)
    told = engine.created["task"]
    assert told["HostConfig"]["NetworkMode"] == "none"
    assert told["HostConfig"]["CapDrop"] == ["ALL"]
    assert any(each.startswith("seccomp={") for each in told["HostConfig"]["SecurityOpt"])
    assert told["User"] == "65534:65534" if os.getuid() == 0 else f"{os.getuid()}:"


async def test_an_app_out_of_time_is_stopped(runtime, engine, spec):
    engine.on_start = lambda _name: None
    outcome = await runtime.run(replace(spec, timeout=0.05))
    assert outcome.timed_out
    assert engine.killed == ["task"]


async def test_a_strangers_run_does_not_join_one_that_is_only_begun(runtime, engine, spec):
    began, goes_on = asyncio.Event(), asyncio.Event()
    engine.silent_until["start"] = goes_on
    engine.on_start = lambda name: (engine.end(name), began.set())
    first = asyncio.create_task(runtime.run(spec))
    await began.wait()
    stranger = asyncio.create_task(
        runtime.run(replace(spec, labels={"poolhand.worker": "another"}))
    )
    await asyncio.wait([stranger], timeout=10)
    goes_on.set()
    with pytest.raises(ContainerRefused, match="somebody else"):
        await stranger
    assert (await first).exit_code == 0


async def test_an_app_out_of_memory_is_told_as_such(runtime, engine, spec):
    def end(name):
        engine.containers[name]["State"]["OOMKilled"] = True
        engine.end(name, 137)

    engine.on_start = end
    assert (await runtime.run(spec)).out_of_memory


@pytest.mark.parametrize(("code", "group", "is_it"), [
    (137, "/docker/task", True),
    (1, "/system.slice/docker-task.scope", True),
    (137, "/docker/another", False),
    (0, "/docker/task", False),
])  # fmt: skip
async def test_what_an_engine_was_not_told_of_memory_the_kernels_log_tells(
    runtime, engine, spec, kernel_log, code, group, is_it
):
    engine.on_start = lambda name: engine.end(name, code)
    kernel_log.write_text(
        "6,98684,4,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=task,"
        f"mems_allowed=0,oom_memcg={group},task_memcg={group},task=task,pid=7,uid=65534\n"
    )
    assert (await runtime.run(spec)).out_of_memory is is_it


@pytest.mark.case("A5")
@pytest.mark.parametrize("place", ["out", "work"])
async def test_an_app_over_its_limit_is_stopped(runtime, engine, spec, tmp_path, place):
    def write(_name):
        (tmp_path / place / "large").write_bytes(bytes(5 * MIB))

    engine.on_start = write
    outcome = await runtime.run(replace(spec, workplace=str(tmp_path / "work")))
    assert outcome.output_too_large
    assert engine.killed == ["task"]


async def test_writable_folders_are_emptied_and_the_others_are_not(runtime, spec, tmp_path):
    for name in ("in", "out"):
        (tmp_path / name / "old").touch()
    await runtime.run(spec)
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["old"]
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.case("A5")
async def test_a_run_on_a_disk_that_failed_does_not_count(runtime, engine, spec, tmp_path):
    """A full disk under a task's own is told only when all is written out."""
    engine.on_start = lambda name: ((tmp_path / "out").rmdir(), engine.end(name))
    with pytest.raises(OSError, match="No such file"):
        await runtime.run(spec)
    assert engine.containers == {}


# -------------------------------------------------------------------------------- refusals, sweeps


@pytest.mark.parametrize("what", ["create", "start", "image"])
async def test_what_the_engine_refuses_again_and_again_is_told(runtime, engine, spec, what):
    engine.refusals[what] = (500, "no \x1b[31msuch thing")
    doubted, told = await believed(runtime, spec)
    assert doubted == DOUBTED
    assert "such thing" in told
    assert "\x1b" not in told
    assert engine.containers == {}


@pytest.mark.parametrize("what", ["create", "start", "image"])
async def test_what_the_engine_says_is_wrong_with_a_container_is_told_at_once(
    runtime, engine, spec, what
):
    engine.refusals[what] = (400, "no such user")
    doubted, told = await believed(runtime, spec)
    assert (doubted, engine.containers) == (0, {})
    assert "no such user" in told


@pytest.mark.parametrize("what", ["create", "start", "image"])
async def test_an_engine_that_ends_is_down_for_as_long_as_it_says_so(runtime, engine, spec, what):
    """Seen in Docker 20.10 between SIGTERM and its end; a worker told the app's owner to act."""
    engine.refusals[what] = (500, "grpc: the client connection is closing: context canceled")
    for _ in range(3 * DOUBTED):
        with pytest.raises(RuntimeDown, match="connection is closing"):
            await runtime.run(spec)
    del engine.refusals[what]
    assert (await runtime.run(spec)).exit_code == 0


@pytest.mark.parametrize("status", [400, 500])
async def test_an_app_cannot_say_that_the_engine_ends(runtime, engine, spec, status):
    """A command or a folder of an image is quoted in what an engine says of it."""
    quoted = 'exec: "context canceled: transport is closing": no such file'
    engine.refusals["start"] = (status, f"OCI runtime create failed: {quoted}")
    doubted, told = await believed(runtime, spec)
    assert doubted == (DOUBTED if status == 500 else 0)
    assert "no such file" in told


async def test_doubts_of_one_start_are_forgotten_by_the_next(runtime, engine, spec):
    engine.refusals["start"] = (500, "storage is broken")
    for _ in range(DOUBTED):
        with pytest.raises(RuntimeDown):
            await runtime.run(spec)
    del engine.refusals["start"]
    await runtime.run(spec)
    engine.refusals["start"] = (500, "storage is broken")
    assert (await believed(runtime, spec))[0] == DOUBTED


async def test_an_engine_that_cannot_read_an_output_is_down(runtime, engine, spec):
    engine.refusals["logs"] = (500, "no such thing")
    with pytest.raises(RuntimeDown, match="such thing"):
        await runtime.run(spec)


async def test_only_folders_are_mounted(runtime, engine, spec, tmp_path):
    (tmp_path / "file").touch()
    mounts = (*spec.mounts, Mount(str(tmp_path / "file"), "/x", writable=False))
    with pytest.raises(ContainerRefused, match="is no folder"):
        await runtime.run(replace(spec, mounts=mounts))
    assert engine.containers == {}


async def test_killing_is_repeatable_and_sweeping_spares_what_is_held(runtime, engine):
    await runtime.kill("nothing")
    for name, worker in (("a", "0x1"), ("b", "0x1"), ("c", "0x2")):
        engine.add(name, labels={"poolhand.worker": worker})
    assert await runtime.orphans("poolhand.worker=0x1") == ("a", "b")
    assert await runtime.sweep("poolhand.worker=0x1", lambda name: name == "a") == ("b",)
    assert set(engine.containers) == {"a", "c"}


async def test_a_kill_waits_for_a_birth_under_way(runtime, engine, spec):
    engine.on_start = lambda _name: None
    running = asyncio.create_task(runtime.run(spec))
    await until(lambda: engine.created)
    await runtime.kill("task")
    with pytest.raises(ContainerRemoved):
        await running
    assert engine.containers == {}


async def test_an_engine_that_is_away_is_told_and_may_come_back(engine):
    with pytest.raises(RuntimeDown, match="start Docker"):
        async with DockerRuntime.open("unix:///no/such/socket"):
            pass
    with pytest.raises(RuntimeDown):
        async with DockerRuntime.open("gopher://x", absent_ok=True):
            pass
    async with DockerRuntime.open("unix:///no/such/socket", absent_ok=True) as runtime:
        with pytest.raises(RuntimeDown):
            await runtime.kill("task")


def test_the_clock_of_the_fake_is_the_one_of_these_tests():
    from datetime import datetime

    assert datetime.fromisoformat(STARTED).timestamp() == STARTED_AT
