"""Disks that the kernel keeps, for real where we are root; and what is done where we are not."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from poolhand.containers import mounts
from poolhand.containers.disks import (
    MIB,
    PROMISES,
    DiskKind,
    NoSuchDisk,
    TaskDisks,
    choose,
    image_of,
    try_out,
)
from poolhand.containers.folders import remove
from small_disks import works

SIZE = 8 * MIB


KERNEL = [
    pytest.param(kind, marks=pytest.mark.skipif(not works(kind), reason="needs root and mounts"))
    for kind in (DiskKind.LOOP, DiskKind.TMPFS)
]


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "task with spaces" / "out"
    made.mkdir(parents=True)
    yield made
    mounts.release(tmp_path)


def grab(file, size):
    """Take blocks; returns the name of the error, if any."""
    try:
        os.posix_fallocate(file.fileno(), 0, size)
    except OSError as fault:
        return errno.errorcode[fault.errno]
    return None


@pytest.mark.case("A5")
@pytest.mark.parametrize("kind", KERNEL)
def test_what_was_deleted_while_open_still_counts(folder, kind):
    TaskDisks(kind).lay(folder, SIZE, 1000)
    files, errors = [], []
    for number in range(20):
        file = (folder / str(number)).open("wb")
        (folder / str(number)).unlink()
        files.append(file)
        errors.append(grab(file, SIZE // 2))
    assert errors[0] is None
    assert set(errors[6:]) == {"ENOSPC"}
    for file in files:
        file.close()


@pytest.mark.case("A5")
@pytest.mark.parametrize("kind", KERNEL)
def test_no_file_is_allocated_beyond_the_disk(folder, kind):
    TaskDisks(kind).lay(folder, SIZE, 1000)
    with (folder / "file").open("wb") as file:
        assert grab(file, 12 * 1024 * MIB) == "ENOSPC"
    assert sum(path.stat().st_blocks * 512 for path in folder.iterdir()) < 5 * SIZE


@pytest.mark.parametrize("kind", KERNEL)
def test_a_disk_has_room_for_all_that_is_allowed(folder, kind):
    TaskDisks(kind).lay(folder, SIZE, 1000)
    assert list(folder.iterdir()) == []
    assert folder.stat().st_mode & 0o777 == 0o777
    (folder / "file").write_bytes(bytes(SIZE))
    mounts.flush(folder)


@pytest.mark.parametrize("kind", KERNEL)
def test_the_number_of_files_is_limited_too(folder, kind):
    TaskDisks(kind).lay(folder, SIZE, 1000)
    made = 0
    try:
        for number in range(20_000):
            (folder / str(number)).touch()
            made += 1
    except OSError as fault:
        assert fault.errno == errno.ENOSPC  # noqa: PT017 - how many were made matters as well
    assert 900 < made < 1100


@pytest.mark.parametrize("kind", KERNEL)
def test_a_new_disk_takes_the_place_of_an_old_one_and_nothing_is_left(folder, kind):
    disks = TaskDisks(kind)
    (folder / "before").touch()
    for _ in range(3):
        disks.lay(folder, SIZE, 1000)
        (folder / "of an earlier life").touch()
    assert len(mounts.mounted_below(folder.parent)) == 1
    assert [path.name for path in folder.iterdir()] == ["of an earlier life"]
    remove(folder.parent)
    assert mounts.mounted_below(folder.parent.parent) == []
    assert not folder.parent.exists()


@pytest.mark.parametrize("kind", KERNEL)
def test_an_engine_that_does_not_see_our_mounts_gets_a_plain_folder(folder, kind):
    TaskDisks(kind, lambda: False).lay(folder, SIZE, 1000)
    assert mounts.mounted_below(folder) == []
    assert folder.stat().st_mode & 0o777 == 0o777


def test_where_nothing_can_be_mounted_folders_are_watched_and_the_operator_is_told(
    folder, monkeypatch
):
    monkeypatch.setenv("PATH", "/no/programs")
    assert TaskDisks(DiskKind.WATCH).kind is DiskKind.WATCH
    TaskDisks(DiskKind.WATCH).lay(folder, SIZE, 1000)
    assert "last resort" in PROMISES[DiskKind.WATCH]
    assert choose("watch", folder.parent, "unix:///x").kind is DiskKind.WATCH


def test_a_kind_that_this_machine_lacks_is_refused_by_name(folder, monkeypatch):
    def nothing(*_, **__):
        raise FileNotFoundError(errno.ENOENT, "no such program on this machine", "mount")

    monkeypatch.setattr("subprocess.run", nothing)
    with pytest.raises(NoSuchDisk, match="POOLHAND_TASK_DISK"):
        choose("loop", folder.parent, "unix:///x")
    assert choose("auto", folder.parent, "unix:///x").kind is DiskKind.WATCH
    assert list(folder.parent.glob(".disk-trial*")) == []


def test_a_full_disk_does_not_decide_what_keeps_it(folder, monkeypatch):
    usage = shutil.disk_usage
    here = folder.parent

    def told(place):
        return usage(place)._replace(free=0) if Path(place) == here else usage(place)

    monkeypatch.setattr("shutil.disk_usage", told)
    kind = choose("auto", here, "unix:///x").kind
    assert (kind is DiskKind.LOOP) == works(DiskKind.LOOP)
    assert list(here.glob(".disk-trial*")) == []


@pytest.mark.parametrize("kind", KERNEL)
def test_a_kind_that_gives_more_than_it_should_is_not_taken(folder, kind, monkeypatch):
    monkeypatch.setattr("os.posix_fallocate", lambda *_: None)
    with pytest.raises(OSError, match="did not keep"):
        try_out(kind, folder)


def test_the_file_behind_a_disk_lies_beside_it_and_is_nobodys(folder):
    if not works(DiskKind.LOOP):
        pytest.skip("needs root and mounts")
    TaskDisks(DiskKind.LOOP).lay(folder, SIZE, 1000)
    assert image_of(folder).stat().st_mode & 0o777 == 0o600
    assert image_of(folder).stat().st_blocks * 512 < SIZE


def test_mount_points_are_read_as_the_kernel_writes_them(tmp_path):
    told = tmp_path / "mountinfo"
    here = os.path.realpath(tmp_path).replace("\\", "\\134").replace(" ", "\\040")
    lines = [f"1 2 0:3 / {here}{tail} rw - tmpfs x rw" for tail in ("/a", "/a/b\\040c", "x/d")]
    told.write_text("\n".join(lines))
    assert mounts.mounted_below(tmp_path, told) == [tmp_path / "a" / "b c", tmp_path / "a"]
    assert mounts.mounted_below(tmp_path, tmp_path / "none") == []


def test_only_an_engine_with_our_mounts_sees_them(tmp_path):
    assert not mounts.shares_mounts("tcp://127.0.0.1:1")
    assert not mounts.shares_mounts(f"unix://{tmp_path}/none")


def test_an_engine_of_our_own_mounts_sees_them(tmp_path):
    import socket

    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        engine = f"unix://{tmp_path / 's'}"
        assert mounts.shares_mounts(engine)
        for who in ("self", str(os.getpid())):
            (tmp_path / who / "ns").mkdir(parents=True)
            (tmp_path / who / "ns" / "mnt").touch()
        assert not mounts.shares_mounts(engine, tmp_path)


def test_a_program_that_fails_tells_its_last_line():
    with pytest.raises(OSError, match="No such file"):
        mounts.run("ls", "/no/such/folder")
    with pytest.raises(FileNotFoundError, match="no such program"):
        mounts.run("no-such-program-here")


def test_a_program_that_hangs_is_given_up():
    with pytest.raises(OSError, match=r"not done after 0.05 s"):
        mounts.run("sleep", "60", time_limit=0.05)


def test_a_folder_on_a_sound_disk_is_flushed(tmp_path):
    mounts.flush(tmp_path)
    with pytest.raises(FileNotFoundError):
        mounts.flush(tmp_path / "none")
