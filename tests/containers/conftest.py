"""Engines for the suites: the simulated one, and Docker with a tiny image."""

from __future__ import annotations

import asyncio
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from uuid import uuid4

import pytest
from aiodocker import Docker
from container_world import ENGINE, LIMITS, MIB, PATIENCE, DockerWorld, NoopWorld
from fake_engine import IMAGE, LABELS, PLAIN, STARTED_AT, FakeEngine, serving
from kubernetes_world import kubernetes_world
from slurm_cluster import Cluster, missing
from slurm_world import SlurmWorld, lay_images
from tiny_image import NAME, archive
from vm_world import LEVEL, emulated, why_no_machines

from poolhand.containers.disks import choose
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.mounts import release
from poolhand.containers.slurm.engine import SlurmRuntime
from poolhand.ports.runtime import ContainerSpec, Mount

VARIANTS = {
    "plain": {},
    "volume": {"Volumes": {"/data/": {}, "/iexec_out": {}}},
    "own-user": {"User": "1000:1000"},
    "root-user": {"User": "root"},
    "root-home": {"WorkingDir": "/root/app"},
    "no-python": {"Env": ["PATH=/nowhere"]},
}


@pytest.fixture(scope="session")
def tiny_image():
    """Load the image into the engine once, whether an event loop runs here or not."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, _load()).result()
        yield NAME
        thread.submit(asyncio.run, _forget()).result()


async def _load():
    async with Docker(ENGINE) as docker:
        async for _ in docker.images.import_image(archive(VARIANTS), stream=True):
            pass


async def _forget():
    async with Docker(ENGINE) as docker:
        for tag in VARIANTS:
            await docker.images.delete(f"{NAME}:{tag}", force=True)


@asynccontextmanager
async def _docker_world(folder, **options):
    label = f"poolhand.test={uuid4().hex}"
    disks = choose("auto", folder, ENGINE)
    async with DockerRuntime.open(ENGINE, disks=disks, **options) as runtime:
        yield DockerWorld(runtime, label, folder, disks)
        await runtime.sweep(label, lambda _name: False)
    release(folder)


@pytest.fixture(scope="session")
def vm_base(tmp_path_factory):
    """Where disks of images lie, and that a machine has booted here; or skip, with the reason."""
    if lack := why_no_machines():
        pytest.skip(lack)
    return tmp_path_factory.mktemp("vm")


@asynccontextmanager
async def _vm_world(request, folder):
    base = request.getfixturevalue("vm_base")
    request.getfixturevalue("tiny_image")
    async with _docker_world(folder, sandbox=LEVEL, machines=emulated(base)) as made:
        made.seconds = PATIENCE
        yield made


@pytest.fixture
async def vm_world(request, tmp_path):
    """Docker, with an emulated virtual machine around each app."""
    async with _vm_world(request, tmp_path) as made:
        yield made


@pytest.fixture
async def docker_world(tiny_image, tmp_path):
    async with _docker_world(tmp_path) as made:
        yield made


@pytest.fixture
async def sidecar_world(tiny_image, tmp_path):
    """Docker, with an image for sidecars: apps can be let through to hosts."""
    async with _docker_world(tmp_path, sidecar_image=f"{NAME}:plain") as made:
        yield made


@pytest.fixture(scope="session")
def slurm_cluster():
    """Two nodes; a machine that lacks the programs says so, and which."""
    if os.geteuid():
        pytest.skip("only root may start a Slurm cluster: its nodes make control groups")
    lack = missing()
    if lack:
        pytest.fail(
            f"these tests need a Slurm cluster, and this machine lacks {', '.join(lack)}: "
            "scripts/with-slurm --prepare as root installs them; -m 'not slurm' leaves them out"
        )
    with Cluster(nodes=2, cpus=4) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def slurm_shared(tmp_path_factory):
    """The folder that all nodes see, with the tiny image, and how that is called."""
    shared = tmp_path_factory.mktemp("shared")
    return shared, lay_images(shared, VARIANTS)


@asynccontextmanager
async def _slurm_world(made, name):
    shared, images = made
    async with SlurmRuntime.open(shared, silence=5.0) as runtime:
        world = SlurmWorld(runtime, shared / name, images)
        yield world
        key, value = next(iter(world.labels.items()))
        await runtime.sweep(f"{key}={value}", lambda _name: False)


@pytest.fixture
def slurm_found(slurm_cluster, monkeypatch):
    """Let programs find the cluster."""
    monkeypatch.setenv("SLURM_CONF", str(slurm_cluster.configuration))
    return slurm_cluster


@pytest.fixture
async def slurm_world(slurm_found, slurm_shared, tmp_path):
    async with _slurm_world(slurm_shared, tmp_path.name) as made:
        yield made


ENGINES = [
    "noop",
    "kubernetes",
    pytest.param("docker", marks=pytest.mark.docker),
    pytest.param("slurm", marks=pytest.mark.slurm),
    pytest.param("vm", marks=pytest.mark.docker),
]


@pytest.fixture(params=ENGINES)
async def world(request, tmp_path):
    """One of each engine."""
    if request.param == "kubernetes":
        async with kubernetes_world(tmp_path) as made:
            yield made
        return
    if request.param == "slurm":
        request.getfixturevalue("slurm_found")
        shared = request.getfixturevalue("slurm_shared")
        async with _slurm_world(shared, tmp_path.name) as made:
            yield made
        return
    if request.param == "vm":
        async with _vm_world(request, tmp_path) as made:
            yield made
        return
    if request.param == "docker":
        request.getfixturevalue("tiny_image")
        async with _docker_world(tmp_path) as made:
            yield made
        return
    simulated = NoopWorld(tmp_path)
    yield simulated
    await simulated.runtime.close()


# ----------------------------------------------------------------------------- an engine in memory


@pytest.fixture
def engine():
    made = FakeEngine()
    made.images = {IMAGE: PLAIN}
    return made


@pytest.fixture
def kernel_log(tmp_path):
    """Nothing, until a test writes it."""
    return tmp_path / "kmsg"


@pytest.fixture
async def runtime(engine, kernel_log):
    opened = {"now": lambda: STARTED_AT, "kernel_log": kernel_log}
    async with serving(engine) as url, DockerRuntime.open(url, **opened) as made:
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
