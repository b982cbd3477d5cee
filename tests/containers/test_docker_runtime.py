"""Docker beyond the common suite: pulls by digest, restarts, refusals, an engine that is away."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiodocker import Docker, DockerError
from container_world import ENGINE, believed, shrink, until
from tiny_image import NAME

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.errors import ContainerRefused, ImageNotFound, ImagePullFailed
from poolhand.containers.start_doubts import DOUBTED
from poolhand.devnet.registry import Registry
from poolhand.domain.errors import RuntimeDown
from poolhand.ports.runtime import Mount

pytestmark = pytest.mark.docker
REPOSITORY = "owner/app"


@asynccontextmanager
async def pushed(folder: Path):
    """A registry with one image in it, absent from the engine: (registry, image name, digest)."""
    async with Registry(folder) as registry, Docker(ENGINE) as docker:
        image = f"{registry.host}/{REPOSITORY}"
        await docker.images.tag(f"{NAME}:plain", image, tag="1.0")
        told = await docker.images.push(f"{image}:1.0")
        await docker.images.delete(f"{image}:1.0")
        digest = next(line["aux"]["Digest"] for line in told if "aux" in line)[len("sha256:") :]
        try:
            yield registry, f"{image}:1.0", digest
        finally:
            await _forget(docker, f"{image}@sha256:{digest}")


async def _forget(docker, reference):
    try:
        await docker.images.delete(reference)
    except DockerError as fault:
        assert fault.status == 404  # noqa: PT017


async def test_an_image_is_pulled_by_digest_and_runs(docker_world, tmp_path):
    async with pushed(tmp_path / "registry") as (registry, image, digest):
        reference = await docker_world.runtime.pull(image, digest, 60)
        assert reference == f"{registry.host}/{REPOSITORY}@sha256:{digest}"
        spec = replace(docker_world.program("hello"), image=reference)
        assert (await docker_world.runtime.run(spec)).stdout == b"hello\n"


async def test_a_present_image_is_not_asked_of_the_registry(docker_world, tmp_path):
    async with pushed(tmp_path / "registry") as (registry, image, digest):
        reference = await docker_world.runtime.pull(image, digest, 60)
        await registry.__aexit__(None, None, None)
        assert await docker_world.runtime.pull(image, digest, 60) == reference


async def test_a_digest_that_the_registry_lacks_is_not_found(docker_world, tmp_path):
    async with pushed(tmp_path / "registry") as (_, image, _digest):
        with pytest.raises(ImageNotFound, match="has no such image"):
            await docker_world.runtime.pull(image, "12" * 32, 60)


async def test_a_registry_that_is_down_fails_the_pull(docker_world):
    with pytest.raises(ImagePullFailed, match="not reached"):
        await docker_world.runtime.pull("127.0.0.1:9/owner/app:1.0", "12" * 32, 60)


@asynccontextmanager
async def silent_registry():
    """A registry that accepts connections and never answers; yields (host, connections)."""
    asked = []

    async def never_answer(reader, writer):
        asked.append(writer)
        await reader.read()
        writer.close()

    server = await asyncio.start_server(never_answer, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()
        for writer in asked:
            writer.close()
        await server.wait_closed()


async def test_a_registry_that_never_answers_fails_the_pull_in_time(docker_world):
    async with silent_registry() as (host, _):
        with pytest.raises(ImagePullFailed, match="not complete in time"):
            await docker_world.runtime.pull(f"{host}/owner/app", "12" * 32, 1)


async def test_pulls_of_one_image_are_one(docker_world):
    async with silent_registry() as (host, asked):
        pulls = [
            asyncio.create_task(docker_world.runtime.pull(f"{host}/owner/app", "12" * 32, 30))
            for _ in range(5)
        ]
        await until(lambda: asked)
        for pull in pulls:
            pull.cancel()
        await asyncio.gather(*pulls, return_exceptions=True)
        assert len(asked) == 1


async def test_a_command_that_is_not_there_ends_with_127(docker_world):
    outcome = await docker_world.runtime.run(docker_world.spec("no-such-program"))
    assert outcome.exit_code == 127
    assert b"no-such-program" in outcome.stderr


@pytest.mark.parametrize("stage", ["create", "start"])
async def test_what_the_engine_refuses_is_told_and_leaves_nothing(docker_world, stage):
    spec = docker_world.program("hello")
    bad = {
        "create": replace(spec, limits=shrink(memory=1)),
        "start": replace(spec, mounts=(Mount(str(docker_world.input), "/proc/x", writable=False),)),
    }
    doubted, told = await believed(docker_world.runtime, bad[stage])
    assert doubted == {"create": 0, "start": DOUBTED}[stage]
    assert docker_world.name in told
    label = f"poolhand.worker={docker_world.labels['poolhand.worker']}"
    assert await docker_world.runtime.orphans(label) == ()


@pytest.mark.parametrize("source", ["/var/run/docker.sock", "/no/such/folder"])
async def test_only_folders_are_mounted(docker_world, source):
    spec = docker_world.program("hello")
    bad = replace(spec, mounts=(*spec.mounts, Mount(source, "/x", writable=False)))
    with pytest.raises(ContainerRefused):
        await docker_world.runtime.run(bad)


async def test_a_container_that_ended_while_the_worker_was_away_is_read(docker_world):
    first = asyncio.create_task(docker_world.runtime.run(docker_world.program("token")))
    await until(docker_world.token)
    token = docker_world.token()
    first.cancel()
    docker_world.release()
    async with Docker(ENGINE) as docker:
        await docker.containers.container(docker_world.name).wait()
    later = DockerRuntime.open(ENGINE, now=lambda: 10.0**12)
    async with later as runtime:
        outcome = await runtime.run(docker_world.program("token"))
    assert (outcome.exit_code, outcome.timed_out) == (0, False)
    assert docker_world.token() == token
    assert outcome.joined


async def test_a_restarted_worker_grants_no_more_time(docker_world):
    first = asyncio.create_task(docker_world.runtime.run(docker_world.program("token")))
    await until(docker_world.token)
    first.cancel()
    async with DockerRuntime.open(ENGINE, now=lambda: 10.0**12) as runtime:
        outcome = await runtime.run(docker_world.program("token", timeout=3600))
    assert (outcome.exit_code, outcome.timed_out) == (137, True)


async def test_a_container_that_was_created_but_not_started_is_started(docker_world):
    async with Docker(ENGINE) as docker:
        spec = docker_world.program("hello")
        config = {"Image": spec.image, "Cmd": list(spec.command), "Labels": dict(spec.labels)}
        await docker.containers.create(config, name=spec.name)
    assert (await docker_world.runtime.run(docker_world.program("hello"))).exit_code == 3


async def test_a_strangers_container_of_the_same_name_is_left_alone(docker_world):
    async with Docker(ENGINE) as docker:
        stranger = await docker.containers.create(
            {"Image": docker_world.image, "Cmd": ["python3"]}, name=docker_world.name
        )
        with pytest.raises(ContainerRefused, match="somebody else"):
            await docker_world.runtime.run(docker_world.program("hello"))
        await stranger.delete()


async def test_a_seccomp_profile_of_the_operator_is_applied(docker_world):
    profile = json.dumps({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO"}],
    })  # fmt: skip
    async with DockerRuntime.open(ENGINE, seccomp=profile) as runtime:
        outcome = await runtime.run(
            docker_world.spec("python3", "-c", "import os; os.mkdir('/tmp/x')")
        )
    assert b"Operation not permitted" in outcome.stderr


@pytest.mark.parametrize("url", ["unix:///no/such/socket", "tcp://127.0.0.1:9", "gopher://x"])
async def test_an_engine_that_is_away_is_told_as_such(url):
    with pytest.raises(RuntimeDown, match="start Docker"):
        async with DockerRuntime.open(url):
            pass


async def test_an_engine_that_may_be_absent_is_used_as_soon_as_it_is_there(docker_world, tmp_path):
    path = tmp_path / "engine.sock"

    async def forward(reader, writer):
        there, back = await asyncio.open_unix_connection(ENGINE.removeprefix("unix://"))
        await asyncio.gather(_pump(reader, back), _pump(there, writer))

    async with DockerRuntime.open(f"unix://{path}", absent_ok=True) as runtime:
        with pytest.raises(RuntimeDown):
            await runtime.run(docker_world.program("hello"))
        with pytest.raises(RuntimeDown):
            await runtime.sweep("poolhand.worker=nobody", lambda _name: False)
        async with await asyncio.start_unix_server(forward, path):
            assert (await runtime.run(docker_world.program("hello"))).exit_code == 3


async def test_an_engine_that_dies_during_a_run_is_told_as_such(docker_world, tmp_path):
    """A proxy stands for the engine: it is cut while the container runs."""
    connections = []

    async def forward(reader, writer):
        inner_reader, inner_writer = await asyncio.open_unix_connection(
            ENGINE.removeprefix("unix://")
        )
        connections.extend((writer, inner_writer))
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    path = tmp_path / "engine.sock"
    server = await asyncio.start_unix_server(forward, path)
    async with server, DockerRuntime.open(f"unix://{path}") as runtime:
        run = asyncio.create_task(runtime.run(docker_world.program("token")))
        await until(docker_world.token)
        server.close()
        for writer in connections:
            writer.close()
        with pytest.raises(RuntimeDown):
            await run


@pytest.mark.parametrize("stage", ["images", "containers/create", "start"])
async def test_an_engine_that_dies_before_the_run_is_not_the_containers_fault(
    docker_world, tmp_path, stage
):
    """A proxy stands for the engine: it hangs up at a stage of the beginning."""

    async def forward(reader, writer):
        asked = await reader.read(65536)
        if stage.encode() in asked.split(b"\r\n")[0]:
            writer.transport.abort()
            return
        inner_reader, inner_writer = await asyncio.open_unix_connection(
            ENGINE.removeprefix("unix://")
        )
        inner_writer.write(asked.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
        await asyncio.gather(_pump(reader, inner_writer), _pump(inner_reader, writer))

    path = tmp_path / "engine.sock"
    server = await asyncio.start_unix_server(forward, path)
    async with server, DockerRuntime.open(f"unix://{path}") as runtime:
        with pytest.raises(RuntimeDown):
            await runtime.run(docker_world.program("hello"))
    outcome = await docker_world.runtime.run(docker_world.program("hello"))
    assert outcome.exit_code == 3


async def _pump(reader, writer):
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def test_a_kill_waits_for_a_creation_under_way(docker_world, tmp_path):
    """The engine gets the request to create only after the run was cancelled."""
    asked, go, answered = asyncio.Event(), asyncio.Event(), asyncio.Event()
    pumps = set()

    async def forward(reader, writer):
        inner_reader, inner_writer = await asyncio.open_unix_connection(
            ENGINE.removeprefix("unix://")
        )
        pumps.add(asyncio.create_task(_back(inner_reader, writer, asked, answered)))
        while data := await reader.read(65536):
            if b"/containers/create" in data:
                asked.set()
                await go.wait()
            inner_writer.write(data)
        await answered.wait()
        inner_writer.close()
        writer.close()

    path = tmp_path / "engine.sock"
    server = await asyncio.start_unix_server(forward, path)
    async with DockerRuntime.open(f"unix://{path}") as runtime:
        run = asyncio.create_task(runtime.run(docker_world.program("token")))
        await asked.wait()
        run.cancel()
        kill = asyncio.create_task(runtime.kill(docker_world.name))
        await asyncio.sleep(0)
        go.set()
        await kill
        await answered.wait()
        label = f"poolhand.worker={docker_world.labels['poolhand.worker']}"
        assert await runtime.orphans(label) == ()
    server.close()
    await asyncio.gather(run, *pumps, return_exceptions=True)


async def _back(reader, writer, asked, answered):
    while data := await reader.read(65536):
        if asked.is_set() and b"201 Created" in data:
            answered.set()
        if not writer.is_closing():
            writer.write(data)
