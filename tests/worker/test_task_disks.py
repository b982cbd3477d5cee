"""Disks of tasks in the worker's stages: found again, taken away, told to the operator."""

from __future__ import annotations

import pytest

from poolhand.containers.disks import DiskKind, TaskDisks, try_out
from poolhand.containers.mounts import mounted_below, release
from poolhand.worker.archive import pack
from poolhand.worker.result_files import add_file
from poolhand.worker.task_folders import Folder

MIB = 1024**2


@pytest.fixture(params=list(DiskKind))
def disks(request, tmp_path):
    try:
        try_out(request.param, tmp_path / "trial")
    except OSError:
        pytest.skip("needs root and mounts")
    yield TaskDisks(request.param)
    release(tmp_path)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def laid(folders, disks, name):
    folder = Folder(folders.base / name)
    folder.create()
    for each in (folder.output, folder.work):
        disks.lay(each, 2 * MIB, 1000)
        (each / "file").write_text(name)
    return folder


@pytest.mark.case("A5")
async def test_a_start_takes_away_disks_of_tasks_that_are_not_held_and_no_other(
    shop, pulled, disks
):
    """A crash may have come before the folder of an ended task was removed."""
    folders, held = shop.worker.folders, pulled.offer.task_id
    kept = laid(folders, disks, str(held))
    laid(folders, disks, "0x" + "ab" * 32)
    folders.discard_all_but([held])
    assert [path.name for path in folders.base.iterdir()] == [str(held)]
    assert (kept.output / "file").read_text() == str(held)
    mounted = {kept.output, kept.work} if disks.kind is not DiskKind.WATCH else set()
    assert set(mounted_below(folders.base)) == mounted
    folders.discard(held)
    folders.discard(held)
    assert list(folders.base.iterdir()) == []
    assert mounted_below(folders.base) == []


async def test_a_worker_that_never_had_a_task_has_nothing_to_take_away(shop):
    assert not shop.worker.folders.base.exists()
    shop.worker.folders.discard_all_but([])
    assert not shop.worker.folders.base.exists()


async def test_a_result_is_packed_from_its_disk(shop, pulled, disks):
    folder = laid(shop.worker.folders, disks, str(pulled.offer.task_id))
    add_file(folder.output, "stdout.txt", b"printed")
    pack(folder.output, folder.archive)
    assert names(folder.output) == ["file", "stdout.txt"]
    assert folder.archive.stat().st_size > 0


async def test_a_file_of_ours_replaces_a_link_of_the_apps_and_follows_none(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("ours")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "stdout.txt").symlink_to(outside)
    add_file(tmp_path / "out", "stdout.txt", b"printed")
    assert outside.read_text() == "ours"
    assert (tmp_path / "out" / "stdout.txt").read_bytes() == b"printed"
    (tmp_path / "out" / "stderr.txt").mkdir()
    with pytest.raises(OSError, match="directory"):
        add_file(tmp_path / "out", "stderr.txt", b"x")
    assert names(tmp_path / "out") == ["stderr.txt", "stdout.txt"]


async def test_the_status_tells_what_keeps_an_app_within_its_disk(tmp_path):
    from scripted_pool import ScriptedPool

    pool = ScriptedPool(tmp_path)
    await pool.opens()
    told = pool.shown()["disk"]
    assert told["kind"] == "watch"
    assert told["promise"].startswith("last resort")
