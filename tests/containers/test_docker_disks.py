"""A real container against its disk: what an app asks for beyond its limit, the kernel refuses."""

from __future__ import annotations

import asyncio
import shutil

import pytest
from container_world import ENGINE, MIB, until

from poolhand.containers.disks import DiskKind
from poolhand.containers.docker import DockerRuntime
from poolhand.containers.mounts import mounted_below

pytestmark = pytest.mark.docker

UNLINKED = """
import os
files, got = [], 0
for n in range(40):
    f = open('/iexec_out/x', 'wb'); os.unlink('/iexec_out/x'); files.append(f)
    try:
        os.posix_fallocate(f.fileno(), 0, 2 ** 20); got += 1
    except OSError as fault:
        print(fault.errno)
print(got)
"""


@pytest.fixture
def kept(docker_world):
    if docker_world.disks.kind is DiskKind.WATCH:
        pytest.skip("this machine mounts nothing for us: the kernel keeps no limit")
    return docker_world


@pytest.mark.case("A5")
async def test_files_deleted_while_open_take_no_more_than_the_disk_has(kept):
    told = (await kept.python(UNLINKED)).stdout.split()
    assert set(told[:-1]) == {b"28"}
    assert 4 <= int(told[-1]) < 24


@pytest.mark.case("A5")
async def test_twelve_files_of_a_gigabyte_are_refused_at_once(kept):
    free = shutil.disk_usage(kept.output.parent).free
    code = """
import os
for n in range(12):
    try:
        os.posix_fallocate(os.open(f'/iexec_out/{n}', os.O_CREAT | os.O_RDWR), 0, 10 ** 9)
    except OSError as fault:
        print(fault.errno)
"""
    assert set((await kept.python(code)).stdout.split()) <= {b"27", b"28"}
    assert free - shutil.disk_usage(kept.output.parent).free < 100 * MIB


@pytest.mark.case("A5")
async def test_a_restarted_worker_finds_what_was_written_on_the_disk(kept):
    first = asyncio.create_task(kept.runtime.run(kept.program("token")))
    await until(kept.token)
    token = kept.token()
    first.cancel()
    kept.release()
    async with DockerRuntime.open(ENGINE, disks=kept.disks) as runtime:
        assert (await runtime.run(kept.program("token"))).exit_code == 0
    assert kept.token() == token
    assert mounted_below(kept.output) == [kept.output]
