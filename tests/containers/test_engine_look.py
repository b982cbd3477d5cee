"""What engines answer of themselves, as Docker 20.10 and Podman 4.3 were seen to."""

from __future__ import annotations

from pathlib import Path

import pytest
from fake_engine import FakeEngine, serving

from poolhand.containers.engine_disk import disk_lack, folder_of, room_of
from poolhand.containers.engine_look import engine_facts, look_at_engine
from poolhand.domain.doctor.engine import EngineFacts
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.sandbox_level import EngineRuntime

VERSION = {
    "Version": "20.10.24+dfsg1",
    "Os": "linux",
    "Arch": "amd64",
    "Components": [
        {"Name": "Engine", "Version": "20.10.24+dfsg1"},
        {"Name": "containerd", "Version": "1.6.20~ds1"},
        {"Name": "runc", "Version": "1.1.5+ds1"},
    ],
}
INFO = {
    "DefaultRuntime": "runc",
    "Runtimes": {
        "io.containerd.runc.v2": {"path": "runc"},
        "runc": {},
        "runsc": {"path": "/usr/bin/runsc", "runtimeArgs": ["--platform=systrap"]},
    },
    "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"],
    "CgroupVersion": "2",
    "MemoryLimit": True,
    "CpuCfsQuota": True,
    "PidsLimit": True,
    "NCPU": 2,
    "MemTotal": 2_084_564_992,
}

RUNSC = EngineRuntime("runsc", "/usr/bin/runsc", ("--platform=systrap",))


def test_dockers_answers_are_read():
    assert engine_facts(VERSION, INFO) == EngineFacts(
        "Docker",
        "20.10.24+dfsg1",
        "linux/amd64",
        "1.1.5+ds1",
        "runc",
        (EngineRuntime("io.containerd.runc.v2", "runc"), EngineRuntime("runc"), RUNSC),
        cgroups="2",
        cpus=2,
        memory=2_084_564_992,
    )
    assert engine_facts(VERSION, INFO, 7).room == 7
    assert engine_facts(VERSION, {**INFO, "NCPU": "many"}).cpus == 0
    for mapped in ("name=userns", "name=rootless"):
        told = {**INFO, "SecurityOptions": [*INFO["SecurityOptions"], mapped]}
        assert engine_facts(VERSION, told).maps_users


def test_what_is_missing_is_named():
    found = engine_facts(VERSION, {**INFO, "SecurityOptions": [], "PidsLimit": False})
    assert (found.has_seccomp, found.lacks) == (False, ("processes",))
    bare = engine_facts({}, {})
    assert (bare.version, bare.platform, bare.runc, bare.cgroups) == ("", "", "", "")
    assert bare.lacks == ()


def test_podman_is_not_taken_for_docker():
    told = {"Version": "4.3.1", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
    assert engine_facts(told, INFO).name == "Podman"


@pytest.mark.parametrize(
    ("folder", "url", "is_seen"),
    [
        ("/", "unix:///run/docker.sock", True),
        ("/no/such", "unix:///run/docker.sock", False),
        ("\0", "unix:///run/docker.sock", False),
        (None, "unix:///run/docker.sock", False),
        ("/", "tcp://10.0.0.7:2375", False),
    ],
)
async def test_the_room_of_an_engine_is_seen_only_where_its_folder_is(folder, url, is_seen):
    assert (await room_of({"DockerRootDir": folder}, url) is not None) == is_seen


STORE = [["driver-type", "io.containerd.snapshotter.v1"]]


@pytest.mark.parametrize(
    ("told", "folder"),
    [
        ({"DriverStatus": [["Backing Filesystem", "extfs"]]}, "/var/lib/docker"),
        ({"DriverStatus": STORE}, None),
        (
            {
                "DriverStatus": STORE,
                "Containerd": {"Address": "/run/docker/containerd/containerd.sock"},
            },
            "/var/lib/docker",
        ),
        (
            {"DriverStatus": STORE, "Containerd": {"Address": "/run/containerd/containerd.sock"}},
            "/var/lib/containerd",
        ),
    ],
)
def test_images_are_looked_for_where_the_engines_store_has_them(told, folder):
    found = folder_of({"DockerRootDir": "/var/lib/docker"} | told, "unix:///run/docker.sock")
    assert found == (None if folder is None else Path(folder))


async def test_an_engine_that_is_looked_at_tells_its_room():
    engine = FakeEngine()
    engine.info = {"DockerRootDir": "/proc"}  # a disk without any room
    async with serving(engine) as url:
        assert (await look_at_engine(url)).room == 0


async def test_an_engine_that_is_not_there_is_told(tmp_path):
    with pytest.raises(RuntimeDown, match="start Docker"):
        await look_at_engine(f"unix://{tmp_path}/none.sock")


async def test_an_engine_whose_disk_is_full_says_so_until_it_has_room(tmp_path):
    engine = FakeEngine()
    async with serving(engine) as url:
        engine.info = {"DockerRootDir": "/proc"}  # a disk without any room
        assert "less than 256 MiB left" in await disk_lack(url)
        for roomy in ("/", "/no/such", str(tmp_path)):
            engine.info = {"DockerRootDir": roomy}
            assert await disk_lack(url) is None
