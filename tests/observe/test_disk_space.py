"""What is free on a disk: bytes, and none where no file can be made any more."""

from __future__ import annotations

import os

import pytest

from poolhand.containers import mounts
from poolhand.observe.disk_space import free_bytes


@pytest.fixture
def small(tmp_path):
    """A file system of 1 MiB with room for some files."""
    try:
        mounts.mount("tmpfs", tmp_path, "-t", "tmpfs", "-o", "size=1m,nr_inodes=8")
    except OSError:
        pytest.skip("needs root and mounts")
    yield tmp_path
    mounts.release(tmp_path)


def test_a_disk_that_can_make_no_more_files_is_full(small):
    assert free_bytes(small) == 2**20
    assert free_bytes(small, files=100) == 0
    left = os.statvfs(small).f_favail
    for number in range(left):
        assert free_bytes(small) == 2**20
        (small / str(number)).touch()
    assert free_bytes(small) == 0


def test_a_file_system_that_counts_no_files_has_room_for_them():
    told = os.statvfs("/proc")
    assert (told.f_files, free_bytes("/proc", files=100)) == (0, told.f_bavail * told.f_frsize)


def test_a_place_that_is_not_there_is_told(tmp_path):
    with pytest.raises(FileNotFoundError):
        free_bytes(tmp_path / "none")
