"""``DockerRuntime`` over an engine in memory: its whole conversation, without Docker."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from dataclasses import replace

import aiohttp
import pytest
from aiodocker import Docker
from container_world import LIMITS, MIB, believed, until
from fake_engine import PLAIN, STARTED, FakeEngine, frame, serving

from poolhand.containers.disks import DiskKind, TaskDisks
from poolhand.containers.docker import WATCHED, DockerRuntime
from poolhand.containers.errors import ContainerRefused, ContainerRemoved, DiskUnready
from poolhand.containers.live import follow_logs
from poolhand.containers.pulls import Puller
from poolhand.containers.run_clock import RunClock
from poolhand.containers.start_doubts import DOUBTED
from poolhand.containers.working_folder import START
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import ContainerSpec, Mount
from small_disks import small_disk, works

IMAGE = "docker.io/owner/app@sha256:" + "ab" * 32
STARTED_AT = 1795824000.5
LABELS = {"poolhand.worker": "0x1"}


@pytest.fixture
def engine():
    made = FakeEngine()
    made.images = {IMAGE: PLAIN}
    return made


@pytest.fixture
async def runtime(engine):
    async with serving(engine) as url, DockerRuntime.open(url, now=lambda: STARTED_AT) as made:
        yield made


@pytest.fixture
def spec(tmp_path):
    for name in ("in", "out", "work"):
        (tmp_path / name).mkdir()
    mounts = (
        Mount(str(tmp_path / "in"), "/iexec_in", writable=False),
        Mount(str(tmp_path / "out"), "/iexec_out", writable=True),
    )
    limits = replace(LIMITS, work=2 * MIB)
    return ContainerSpec("task", IMAGE, ("x",), {"A": "b"}, mounts, limits, 60, False, LABELS)


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


async def test_an_app_out_of_memory_is_told_as_such(runtime, engine, spec):
    def end(name):
        engine.containers[name]["State"]["OOMKilled"] = True
        engine.end(name, 137)

    engine.on_start = end
    assert (await runtime.run(spec)).out_of_memory


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


# ---------------------------------------------------------------------------------- working folder


@pytest.mark.case("D1")
async def test_the_working_folder_is_copied_and_mounted_writable(runtime, engine, spec, tmp_path):
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    engine.working = {IMAGE: {"main.py": b"print()"}}
    seen = []
    engine.on_start = lambda name: (seen.extend((tmp_path / "work").iterdir()), engine.end(name))
    await runtime.run(replace(spec, workplace=str(tmp_path / "work")))
    mounts = {m["Target"]: m["ReadOnly"] for m in engine.created["task"]["HostConfig"]["Mounts"]}
    assert mounts == {"/app": False, "/iexec_in": True, "/iexec_out": False}
    assert [path.name for path in seen] == ["main.py"]
    assert engine.created["task-image"]["NetworkDisabled"] is True
    assert "task-image" not in engine.started
    assert engine.containers == {}


@pytest.mark.case("D1")
async def test_an_image_that_starts_at_the_top_gets_a_folder_of_links(
    runtime, engine, spec, tmp_path
):
    engine.images = {
        IMAGE: PLAIN | {"Config": {"Entrypoint": ["python3", "odd.py"], "Cmd": ["-v"]}}
    }
    names = []
    engine.on_start = lambda name: (
        names.extend((p.name, str(p.readlink())) for p in (tmp_path / "work").iterdir()),
        engine.end(name),
    )
    await runtime.run(replace(spec, workplace=str(tmp_path / "work")))
    assert {("odd.py", "/odd.py"), ("usr", "/usr"), ("iexec_out", "/iexec_out")} <= set(names)
    assert engine.created["task"]["WorkingDir"] == START


@pytest.mark.case("D1")
async def test_a_working_folder_that_is_too_large_is_left_read_only(
    runtime, engine, spec, tmp_path
):
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    engine.working = {IMAGE: {"large": bytes(3 * MIB)}}
    await runtime.run(replace(spec, workplace=str(tmp_path / "work")))
    assert [m["Target"] for m in engine.created["task"]["HostConfig"]["Mounts"]] == [
        "/iexec_in", "/iexec_out"
    ]  # fmt: skip
    assert engine.started == ["task"]


async def test_a_working_folder_that_the_image_lacks_is_empty(runtime, engine, spec, tmp_path):
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    engine.refusals["archive"] = (404, "no such file")
    assert (await runtime.run(replace(spec, workplace=str(tmp_path / "work")))).exit_code == 0


async def test_an_engine_that_falls_silent_over_a_working_folder_is_away(engine, spec, tmp_path):
    """The time-out of its answer is an OSError to Python, and no fault of the image."""
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    speaks = engine.silent_until["archive"] = asyncio.Event()
    async with serving(engine) as url:
        hasty = Docker(url, timeout=aiohttp.ClientTimeout(total=0.5))
        runtime = DockerRuntime(hasty, url, Puller(hasty, url), "{}", time.time, WATCHED, None)
        async with hasty:
            with pytest.raises(RuntimeDown):
                await runtime.run(replace(spec, workplace=str(tmp_path / "work")))
        speaks.set()


async def test_a_working_folder_that_cannot_be_read_starts_nothing(runtime, engine, spec, tmp_path):
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    engine.refusals["archive"] = (500, "storage is broken")
    _, told = await believed(runtime, replace(spec, workplace=str(tmp_path / "work")))
    assert "storage is broken" in told
    assert engine.started == []
    assert engine.containers == {}


async def test_a_working_folder_that_has_no_place_starts_nothing(runtime, engine, spec, tmp_path):
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    engine.working = {IMAGE: {"x": b""}}

    class Broken(TaskDisks):
        def lay(self, folder, *_):
            folder.chmod(0o777)
            if folder.name == "work":
                folder.rmdir()

    runtime._disks = Broken(DiskKind.WATCH)
    with pytest.raises(ContainerRefused, match="cannot be copied"):
        await runtime.run(replace(spec, workplace=str(tmp_path / "work")))


async def test_a_full_disk_is_the_workers_and_the_app_is_run_once_there_is_room(
    runtime, engine, spec, tmp_path
):
    full = [True]

    class Full(TaskDisks):
        def lay(self, folder, *_):
            if full[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            folder.chmod(0o777)

    runtime._disks = Full(DiskKind.WATCH)
    with pytest.raises(DiskUnready, match="free some space on the worker's disk"):
        await runtime.run(spec)
    assert (engine.started, engine.containers) == ([], {})
    full[0] = False
    assert (await runtime.run(spec)).exit_code == 0


@pytest.mark.skipif(not works(DiskKind.TMPFS), reason="needs root and mounts")
async def test_a_working_folder_for_whose_copy_there_is_no_room_blames_no_image(
    runtime, engine, spec, tmp_path
):
    engine.images = {IMAGE: PLAIN | {"Config": {"WorkingDir": "/app"}}}
    engine.working = {IMAGE: {"x": bytes(2 * MIB)}}
    with small_disk(tmp_path / "small") as disk:
        (disk / "work").mkdir()
        with pytest.raises(DiskUnready, match="cannot be copied"):
            await runtime.run(replace(spec, workplace=str(disk / "work")))
    assert (engine.started, engine.containers) == ([], {})


# -------------------------------------------------------------------------- joining and recovering


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
        runtime = DockerRuntime(docker, url, Puller(docker, url), "{}", time.time, WATCHED, None)
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
