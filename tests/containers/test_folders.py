"""Folders that strangers' programs filled: measured and emptied."""

from __future__ import annotations

import os

from poolhand.containers.folders import ENTRY_BYTES, empty, exceeds, remove


def nest(folder, depth):
    """Nest folders deeper than Python's stack and the longest path."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d" * 50, dir_fd=here)
        inner = os.open("d" * 50, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(os.open("file", os.O_CREAT, dir_fd=here))
    os.close(here)


def test_a_folder_exceeds_what_is_less_than_its_files(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "f").write_bytes(bytes(100_000))
    assert exceeds(tmp_path, 99_999)
    assert not exceeds(tmp_path, 120_000)


def test_holes_count_as_what_they_pretend_to_be(tmp_path):
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 10**9)
    assert exceeds(tmp_path, 10**9 - 1)


def test_empty_files_count(tmp_path):
    for number in range(100):
        (tmp_path / str(number)).touch()
    assert exceeds(tmp_path, 100 * ENTRY_BYTES - 1)
    assert not exceeds(tmp_path, 100 * ENTRY_BYTES)


def test_links_are_not_followed(tmp_path):
    (tmp_path / "folder").symlink_to("/usr")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert not exceeds(tmp_path, 10_000)


def test_a_folder_that_is_gone_exceeds_nothing(tmp_path):
    assert not exceeds(tmp_path / "gone", 0)


def test_no_depth_is_too_deep(tmp_path):
    folder = tmp_path / "f"
    folder.mkdir()
    nest(folder, 2000)
    assert exceeds(folder, 10**9)
    remove(folder)
    assert not folder.exists()


def test_emptying_spares_what_links_point_to(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    folder = tmp_path / "f"
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "link").symlink_to(outside)
    (folder / "a" / "b" / "link").symlink_to(outside)
    (folder / ".removed-0").mkdir()
    (folder / "a" / "b" / ".removed-0").touch()
    os.mkfifo(folder / "pipe")
    (folder / "a").chmod(0)
    empty(folder)
    assert list(folder.iterdir()) == []
    assert (outside / "kept").exists()


def test_removing_what_is_not_there_is_fine(tmp_path):
    remove(tmp_path / "gone")


def test_a_folder_that_holds_the_names_we_move_to_is_emptied_too(tmp_path):
    for number in range(5):
        (tmp_path / f".removed-{number}" / "x").mkdir(parents=True)
    empty(tmp_path)
    assert list(tmp_path.iterdir()) == []
