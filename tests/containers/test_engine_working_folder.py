"""What an engine in memory is told of an app's working folder and of the disk under it."""

from __future__ import annotations

import asyncio
import errno
import time
from dataclasses import replace

import aiohttp
import pytest
from aiodocker import Docker
from container_world import MIB, believed
from fake_engine import IMAGE, PLAIN, serving

from poolhand.containers.disks import DiskKind, TaskDisks
from poolhand.containers.docker import WATCHED, DockerRuntime
from poolhand.containers.errors import ContainerRefused, DiskUnready
from poolhand.containers.pulls import Puller
from poolhand.containers.sandbox import MOST_VOLUMES
from poolhand.containers.sandboxes import Sandboxes
from poolhand.containers.working_folder import START_FOLDER
from poolhand.domain.errors import RuntimeDown
from small_disks import small_disk, works


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


async def test_no_volume_of_the_image_is_made_where_its_files_are_read(
    runtime, engine, spec, tmp_path
):
    config = {"WorkingDir": "/app", "Volumes": {"/data": {}, "/app": {}}}
    engine.images = {IMAGE: PLAIN | {"Config": config}}
    await runtime.run(replace(spec, workplace=str(tmp_path / "work")))
    assert engine.created["task-image"]["HostConfig"]["Tmpfs"] == {"/data": ""}
    told = engine.created["task"]["HostConfig"]
    assert "/data" in told["Tmpfs"]
    assert [m["Type"] for m in told["Mounts"]] == ["bind"] * 3


async def test_an_image_with_very_many_volumes_is_refused(runtime, engine, spec):
    volumes = {f"/{n}": {} for n in range(MOST_VOLUMES)}
    engine.images = {IMAGE: PLAIN | {"Config": {"Volumes": volumes}}}
    await runtime.run(spec)
    volumes["/one-more"] = {}
    engine.images["other"] = engine.images[IMAGE]
    with pytest.raises(ContainerRefused, match="volumes"):
        await runtime.run(replace(spec, image="other"))


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
    assert engine.created["task"]["WorkingDir"] == START_FOLDER


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
        sandboxes = Sandboxes(hasty, "runc", "{}", network=False)
        runtime = DockerRuntime(hasty, url, Puller(hasty, url), sandboxes, time.time, WATCHED, None)
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
