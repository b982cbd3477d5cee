"""A worker that is a container itself: what it has mounted is found by the engine on its own side."""

from __future__ import annotations

from pathlib import Path

import pytest
from container_world import LIMITS
from fake_engine import PLAIN, FakeEngine, serving
from hypothesis import given
from hypothesis import strategies as st

from poolhand.containers.docker import DockerRuntime
from poolhand.containers.host_paths import HostPaths, name_on_machine, own_container
from poolhand.ports.runtime import ContainerSpec, Mount

IMAGE = "docker.io/owner/app@sha256:" + "cd" * 32
ME = "1f" * 32
VOLUME = "/var/lib/docker/volumes/data/_data"
LISTED = f"""\
900 899 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/x/overlay2/l/A:/x
905 900 8:1 /var/lib/docker/containers/{ME}/resolv.conf /etc/resolv.conf rw - ext4 /dev/a rw
906 900 8:1 /var/lib/docker/containers/{ME}/hostname /etc/hostname rw - ext4 /dev/a rw
907 900 8:1 {VOLUME} /data rw - ext4 /dev/a rw
"""


def mounts(*pairs):
    return {
        "Mounts": [
            {
                "Destination": inside,
                "Source": outside,
                "Type": "volume" if VOLUME in outside else "bind",
            }
            for inside, outside in pairs
        ]
    }


def test_a_process_knows_its_container_by_the_files_that_engines_mount(tmp_path):
    listed = tmp_path / "mountinfo"
    listed.write_text(LISTED)
    assert own_container(listed) == ME
    for foreign in (
        LISTED.replace("/etc/", "/srv/"),
        LISTED.replace(ME, ME[:-1]),
        f"8 1 8:1 / /var/lib/docker/containers/{ME}/mounts/shm rw - tmpfs shm rw\n",
    ):
        listed.write_text(foreign)
        assert own_container(listed) is None
    assert own_container(tmp_path / "none") is None


@pytest.mark.parametrize(
    ("more", "name"),
    [
        ("", f"{VOLUME}/tasks"),
        (r"908 907 8:1 /srv/a\040b /data/tasks rw - ext4 /dev/a rw", "/srv/a b"),
        ("908 907 8:1 /srv/other /data/task rw - ext4 /dev/a rw", f"{VOLUME}/tasks"),
        ("908 900 8:1 /srv/later /data rw - ext4 /dev/a rw", "/srv/later/tasks"),
    ],
)
def test_in_a_container_a_folder_is_called_as_what_is_mounted_there(tmp_path, more, name):
    """Two workers of one wallet see the same path, and neither may clear away for the other."""
    listed, folder = tmp_path / "mountinfo", Path("/data/tasks")
    listed.write_text(LISTED + more)
    assert name_on_machine(folder, listed) == Path(name)
    listed.write_text((LISTED + more).replace(ME, "no-container"))
    assert name_on_machine(folder, listed) == folder
    assert name_on_machine(folder, tmp_path / "none") == folder


def test_the_innermost_mount_counts_and_names_that_only_begin_alike_do_not():
    paths = HostPaths.told(mounts(("/data", VOLUME), ("/data/tasks", "/fast"), ("/x", "")))
    assert paths.of("/data/a/b") == f"{VOLUME}/a/b"
    assert paths.of("/data") == VOLUME
    assert paths.of("/data/tasks/1") == "/fast/1"
    assert paths.of("/database/1") == "/database/1"
    assert paths.of("/x/1") == "/x/1"
    assert HostPaths.told({"Mounts": None}) == HostPaths()


def test_what_the_engine_keeps_itself_is_mounted_so_that_it_follows():
    """Private mounts of its own folders it refuses; of all others private ones are wanted."""
    paths = HostPaths.told(mounts(("/data", VOLUME), ("/own", "/srv/own")))
    private = {"Propagation": "rprivate"}
    for source, outside, told in (
        ("/data/a", f"{VOLUME}/a", "rslave"),
        ("/own/a", "/srv/own/a", "rprivate"),
        ("/other", "/other", "rprivate"),
    ):
        mount = {"Type": "bind", "Source": source, "ReadOnly": True, "BindOptions": private}
        wanted = {**mount, "Source": outside, "BindOptions": {"Propagation": told}}
        assert paths.seen(mount) == wanted
    assert private == {"Propagation": "rprivate"}


@given(st.text("ab/", min_size=1).map(lambda text: str(Path("/", text))))
def test_without_mounts_every_path_is_its_own(path):
    assert HostPaths().of(path) == path


@pytest.mark.parametrize(
    ("inside", "known", "folder"),
    [(ME, True, "/outside"), (ME, False, None), (None, True, None)],
    ids=["in a container", "of another engine", "in none"],
)
async def test_the_engine_is_told_of_its_own_folders_and_ours_are_prepared(
    tmp_path, inside, known, folder
):
    engine = FakeEngine()
    engine.images = {IMAGE: PLAIN}
    if known:
        engine.add(ME)["Mounts"] = mounts((str(tmp_path), "/outside"))["Mounts"]
    for name in ("out", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "out" / "old").write_text("of before")
    wanted = (Mount(str(tmp_path / "out"), "/iexec_out", writable=True),)
    spec = ContainerSpec(
        "task", IMAGE, (), {}, wanted, LIMITS, 60, workplace=str(tmp_path / "work")
    )
    async with serving(engine) as url, DockerRuntime.open(url, inside=inside) as runtime:
        await runtime.run(spec)
        await runtime.run(spec)
    told = engine.created["task"]["HostConfig"]["Mounts"]
    assert [each["Source"] for each in told if each["Target"] == "/iexec_out"] == [
        f"{folder or tmp_path}/out"
    ]
    assert not list((tmp_path / "out").iterdir()), "it is ours that is emptied"
