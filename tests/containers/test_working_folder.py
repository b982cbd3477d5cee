"""The writable copy of an image's working folder: what is copied, and what never is."""

from __future__ import annotations

import errno
import io
import tarfile

import pytest
from container_world import MIB
from fake_engine import packed

from poolhand.containers.disks import DiskKind
from poolhand.containers.working_folder import START_FOLDER, Start, WorkingFolderTooLarge, unpack
from small_disks import small_disk, works

LARGE = 10**6


def entry(kind=tarfile.REGTYPE, target="", mode=0o644, name=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, mode
    return info


def unpacked(into, entries, most=LARGE):
    into.mkdir(exist_ok=True)
    unpack(io.BytesIO(packed("/srv/app", entries)), into, most)
    return sorted(str(path.relative_to(into)) for path in into.rglob("*"))


@pytest.mark.parametrize(
    ("told", "folder", "target"),
    [
        ({}, "/", START_FOLDER),
        ({"Config": {"WorkingDir": "/"}}, "/", START_FOLDER),
        ({"Config": {"WorkingDir": "/app/"}}, "/app", "/app"),
        ({"Config": {"WorkingDir": "app"}}, "/app", "/app"),
        ({"Config": {"WorkingDir": "/usr/src/app"}}, "/usr/src/app", "/usr/src/app"),
        ({"Config": {"WorkingDir": "/app/../tmp/x"}}, "/tmp/x", None),
        ({"Config": {"WorkingDir": "/iexec_out"}}, "/iexec_out", None),
        ({"Config": {"WorkingDir": "/proc/1"}}, "/proc/1", None),
        ({"Config": {"WorkingDir": "//x"}}, "/x", "/x"),
    ],
)
def test_where_a_program_starts_is_made_writable(told, folder, target):
    start = Start.of(told)
    assert (start.folder, start.target) == (folder, target)


@pytest.mark.case("D1")
def test_files_folders_and_links_are_copied_and_open_to_all(tmp_path):
    into = tmp_path / "into"
    names = unpacked(into, {
        "main.py": b"print()", "lib": entry(tarfile.DIRTYPE, mode=0o755), "lib/x": b"x",
        "run": entry(mode=0o755), "same": entry(tarfile.LNKTYPE, "app/main.py"),
        "link": entry(tarfile.SYMTYPE, "/etc/passwd"),
    })  # fmt: skip
    assert names == ["lib", "lib/x", "link", "main.py", "run", "same"]
    assert (into / "main.py").stat().st_mode & 0o777 == 0o666
    assert (into / "run").stat().st_mode & 0o777 == 0o777
    assert (into / "lib").stat().st_mode & 0o777 == 0o777
    assert (into / "same").read_bytes() == b"print()"
    assert str((into / "link").readlink()) == "/etc/passwd"
    assert (into / "main.py").stat().st_mtime == 0


@pytest.mark.case("D1")
def test_nothing_is_written_or_read_outside_of_the_copy(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("secret")
    names = unpacked(tmp_path / "into", {
        "door": entry(tarfile.SYMTYPE, str(outside)), "door/in": b"x", "../up": b"x",
        "a/../../up": b"x", "nowhere/x": b"x",
        "hard": entry(tarfile.LNKTYPE, f"app/../../{outside.name}/secret"),
        "device": entry(tarfile.CHRTYPE), "pipe": entry(tarfile.FIFOTYPE),
    })  # fmt: skip
    assert names == ["door"]
    assert [path.name for path in outside.iterdir()] == ["secret"]
    assert not (tmp_path / "up").exists()


def test_rights_of_the_owner_alone_are_not_copied(tmp_path):
    unpacked(tmp_path / "into", {"tool": entry(mode=0o4755)})
    assert (tmp_path / "into" / "tool").stat().st_mode & 0o7000 == 0


def test_a_folder_that_is_too_large_is_not_copied(tmp_path):
    with pytest.raises(WorkingFolderTooLarge):
        unpacked(tmp_path / "a", {"x": bytes(2000)}, most=2000)
    with pytest.raises(WorkingFolderTooLarge):
        unpacked(tmp_path / "b", {str(n): b"" for n in range(100)}, most=2000)
    assert unpacked(tmp_path / "c", {"x": bytes(1000)}, most=2000) == ["x"]


@pytest.mark.skipif(not works(DiskKind.TMPFS), reason="needs root and mounts")
def test_a_disk_that_is_full_is_too_small_only_where_it_is_the_folders_own(tmp_path):
    with small_disk(tmp_path / "small") as disk:
        with pytest.raises(OSError, match="No space") as broken:
            unpacked(disk / "into", {"x": bytes(2 * MIB)}, most=4 * MIB)
        assert broken.value.errno == errno.ENOSPC
    with small_disk(tmp_path / "own") as disk, pytest.raises(WorkingFolderTooLarge):
        unpacked(disk, {"x": bytes(2 * MIB)}, most=4 * MIB)
