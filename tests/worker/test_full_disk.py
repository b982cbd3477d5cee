"""A full disk costs time, and nobody but the operator is told to fix something."""

from __future__ import annotations

import asyncio
import errno

import pytest
from scripted_pool import ScriptedPool
from worker_world import done

from network.world import writes
from poolhand.containers.errors import ContainerRefused, ContainerRemoved, DiskUnready
from poolhand.containers.noop import ended, folder_of
from poolhand.domain.doctor.machine import LEAST_DISK as LEAST
from poolhand.domain.replicate.machine import Action
from poolhand.domain.replicate.status import Status
from poolhand.worker.stages.compute import blame
from poolhand.worker.standing import Hold

WORDS = "registry.test/words"


def spoilt_once(shop):
    """Return an app whose first result is cut short by a full disk."""

    def app(spec):
        if sum(shop.node.runtime.computations.values()) > 1:
            return writes("x")(spec)
        shop.worker.room.free = lambda _: LEAST - 1
        (folder_of(spec, "/iexec_out") / "computed.json").write_text("")
        return ended()

    return app


async def test_a_result_that_a_full_disk_spoilt_is_computed_anew_once_there_is_room(shop, pulled):
    shop.node.runtime.apps = {WORDS: spoilt_once(shop)}
    stage = asyncio.create_task(shop.stages.perform(pulled, Action.COMPUTE))
    await shop.blocks(60)
    assert not stage.done()
    shop.worker.room.free = lambda _: LEAST
    await shop.blocks(3)
    assert (await stage).outcome is Status.COMPUTED
    assert sum(shop.node.runtime.computations.values()) == 2


async def test_an_app_that_no_disk_could_be_made_for_waits_for_room_on_the_workers(shop, pulled):
    shop.node.runtime.apps = {WORDS: writes("x")}
    shop.node.runtime.faults[WORDS] = DiskUnready("words", "no space left on device")
    shop.worker.room.free = lambda _: 0
    stage = asyncio.create_task(shop.stages.perform(pulled, Action.COMPUTE))
    await shop.blocks(120)
    assert not stage.done()
    del shop.node.runtime.faults[WORDS]
    shop.worker.room.free = lambda _: LEAST
    await shop.blocks(3)
    assert (await stage).outcome is Status.COMPUTED


async def test_a_disk_that_stays_broken_is_the_workers_fault_and_not_the_apps(shop, pulled):
    shop.node.runtime.faults[WORDS] = DiskUnready("words", "no such device")
    finished = await done(shop, Action.COMPUTE, pulled, blocks=100)
    assert finished.outcome is Status.FAILED
    assert "free some space on the worker's disk, or repair it" in finished.detail


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (OSError(errno.ENOSPC, "no space left on device"), Status.FAILED),
        (OSError(errno.EIO, "input/output error"), Status.FAILED),
        (OSError(errno.ENAMETOOLONG, "file name too long"), Status.COMPUTE_FAILED),
        (ContainerRemoved("words"), Status.FAILED),
        (ContainerRefused("words", "no such command"), Status.COMPUTE_FAILED),
    ],
)
def test_what_the_workers_machine_did_is_no_fault_of_the_apps(fault, status):
    found, cause = blame(fault)
    assert found is status
    assert str(fault) in cause


async def test_a_disk_that_fails_under_a_run_is_the_workers(shop, pulled):
    """As when what an app wrote is to be flushed, or packed beside it, and nothing more goes on."""

    def app(spec):
        writes("x")(spec)
        raise OSError(errno.EIO, "input/output error")

    shop.node.runtime.apps = {WORDS: app}
    finished = await done(shop, Action.COMPUTE, pulled)
    assert finished.outcome is Status.FAILED
    assert "free some space on it, or repair it" in finished.detail


async def test_what_an_app_printed_and_leaves_no_place_for_is_its_own_fault(shop, pulled):
    def app(spec):
        (folder_of(spec, "/iexec_out") / "stdout.txt").mkdir()
        return writes("x")(spec)

    shop.node.runtime.apps = {WORDS: app}
    finished = await done(shop, Action.COMPUTE, pulled)
    assert finished.outcome is Status.COMPUTE_FAILED
    assert "stdout.txt cannot be put into /iexec_out" in finished.detail


async def test_a_bad_result_on_a_disk_with_room_is_the_apps(shop, pulled):
    shop.node.runtime.apps = {WORDS: lambda _: ended(3)}
    shop.worker.room.free = lambda _: LEAST
    assert (await done(shop, Action.COMPUTE, pulled)).outcome is Status.COMPUTE_FAILED
    assert sum(shop.node.runtime.computations.values()) == 1


async def test_data_that_find_no_room_are_downloaded_once_there_is(shop, pulled):
    """A file stands where the folders must go: to the system the same as a disk without room."""
    root = shop.worker.folders.of(pulled.offer.task_id).root
    shop.worker.folders.discard(pulled.offer.task_id)
    root.write_text("in the way")
    shop.worker.room.free = lambda _: 0
    stage = asyncio.create_task(shop.stages.perform(pulled, Action.DOWNLOAD_DATA))
    await shop.blocks(10)
    assert not stage.done()
    root.unlink()
    shop.worker.room.free = lambda _: LEAST
    await shop.blocks(3)
    assert (await stage).outcome is Status.DATA_DOWNLOADED


async def test_a_worker_takes_nothing_new_while_its_disk_is_full(tmp_path):
    pool = ScriptedPool(tmp_path)
    await pool.opens()
    await pool.greets()
    room = pool.node.worker.room
    room.free = lambda _: LEAST - 1
    await pool.blocks(1)
    assert "the disk at" in pool.member.standing.holds[Hold.DISK]
    room.free = lambda _: LEAST
    await pool.blocks(1)
    assert Hold.DISK not in pool.member.standing.holds
    assert pool.member.standing.paused is None
