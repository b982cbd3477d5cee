"""Layers of images, honest and hostile: nothing leaves the folder, and nothing grows without end."""

from __future__ import annotations

import gzip
import io
import os
import stat
import tarfile

import pytest
from archives import entry, named, packed

from poolhand.containers.slurm.layer_archive import BadLayer, LayersTooLarge
from poolhand.containers.slurm.layers import MOST_FOLDERS_DEEP, Layers, Scope, WrongContent

FOLDER, FILE, LINK, HARD = tarfile.DIRTYPE, tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE


def lay(root, *layers, **bounds):
    laid = Layers(root, **bounds)
    for entries in layers:
        content = packed(*entries)
        laid.add(io.BytesIO(gzip.compress(content, 1)), named(content))


@pytest.fixture
def root(tmp_path):
    made = tmp_path / "above" / "rootfs"
    made.mkdir(parents=True)
    return made


def outside(root):
    return sorted(str(each) for each in root.parent.rglob("*") if not each.is_relative_to(root))


def test_a_later_layer_replaces_and_removes(root):
    lay(
        root,
        [entry("etc", FOLDER, mode=0o755), entry("etc/a", content=b"1"), entry("etc/b"),
         entry("gone", FOLDER, mode=0o755), entry("gone/x")],
        [entry("etc/a", content=b"2"), entry("etc/.wh.b"), entry(".wh.gone")],
    )  # fmt: skip
    assert (root / "etc/a").read_bytes() == b"2"
    assert sorted(each.name for each in root.rglob("*")) == ["a", "etc"]


def test_an_opaque_folder_keeps_only_what_its_layer_brings(root):
    lay(
        root,
        [entry("d", FOLDER, mode=0o755), entry("d/old")],
        [entry("d/new"), entry("d/.wh..wh..opq")],
    )
    assert [each.name for each in (root / "d").iterdir()] == ["new"]


def test_a_folder_that_is_a_link_is_followed_within_the_image(root):
    lay(
        root,
        [entry("usr/lib", FOLDER, mode=0o755), entry("lib", LINK, target="/usr/lib")],
        [entry("lib/x", content=b"x")],
    )
    assert (root / "usr/lib/x").read_bytes() == b"x"


@pytest.mark.parametrize("target", ["/", "/..", "../../..", "/../../../..", "a/../../../.."])
def test_no_link_leads_out(root, target):
    lay(root, [entry("out", LINK, target=target)], [entry("out/owned", content=b"x")])
    assert outside(root) == []
    assert (root / "owned").read_bytes() == b"x"


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../owned")],
        [entry("a/../../owned")],
        [entry("x", HARD, target="../../etc/passwd")],
        [entry("s", LINK, target="/etc/passwd"), entry("x", HARD, target="s")],
        [entry("x", HARD, target="not/there")],
        [entry("a", LINK, target="b"), entry("b", LINK, target="a"), entry("a/x")],
        [entry("f"), entry("f/x")],
        [entry("/".join("d" * 300), FOLDER)],
        [entry(".wh..")],
        [entry("n" * 300)],
        [entry("n" * 300 + "/x")],
        [entry("x", LINK, target="")],
        [entry("x", LINK, target="t" * 5000)],
        [entry("/".join(["d" * 200] * 50) + "/x")],
    ],
    ids=["up", "up inside", "hard link out", "hard link to a link", "hard link to nothing",
         "circle", "below a file", "deep", "odd whiteout", "long name", "long folder",
         "link to nothing", "long link", "long path"],
)  # fmt: skip
def test_what_no_honest_layer_holds_is_refused(root, entries):
    with pytest.raises(BadLayer):
        lay(root, entries)
    assert outside(root) == []


def test_devices_are_left_out_and_files_give_no_rights(root):
    lay(
        root,
        [entry("disk", tarfile.BLKTYPE), entry("null", tarfile.CHRTYPE),
         entry("pipe", tarfile.FIFOTYPE), entry("su", content=b"x", mode=0o6755)],
    )  # fmt: skip
    assert [each.name for each in root.iterdir()] == ["su"]
    assert stat.S_IMODE((root / "su").stat().st_mode) == 0o755


def test_a_file_does_not_write_through_a_link_of_its_name(root):
    victim = root.parent / "victim"
    victim.write_text("mine")
    lay(root, [entry("x", LINK, target=str(victim))], [entry("x", content=b"theirs")])
    assert victim.read_text() == "mine"
    assert (root / "x").read_bytes() == b"theirs"


def test_bytes_are_counted_before_they_are_written(root):
    with pytest.raises(LayersTooLarge):
        lay(root, [entry("zeros", content=bytes(2**20))], most_bytes=2**19)
    assert not list(root.iterdir())


def test_names_are_counted(root):
    with pytest.raises(LayersTooLarge):
        lay(root, [entry(f"{number}") for number in range(20)], most_names=10)
    assert len(list(root.iterdir())) == 10


def test_zeros_behind_the_end_of_an_archive_have_an_end(root):
    content = packed(entry("x")) + bytes(80 * 2**20)
    with pytest.raises(LayersTooLarge):
        Layers(root, most_bytes=2**20).add(io.BytesIO(gzip.compress(content, 1)), named(content))


def test_folders_are_counted_that_a_name_only_leads_through(root):
    names = ["/".join([str(number)] * MOST_FOLDERS_DEEP) + "/x" for number in range(3)]
    with pytest.raises(LayersTooLarge):
        lay(root, [entry(name) for name in names], most_names=2 * MOST_FOLDERS_DEEP)
    assert len(list(root.iterdir())) == 2


@pytest.mark.parametrize("when", [float("nan"), float("inf"), -(2.0**70), 2.0**70])
def test_a_time_that_no_clock_shows_is_the_nearest_one(root, when):
    member, content = entry("x")
    member.pax_headers = {"mtime": str(when)}
    lay(root, [(member, content)])
    assert 0 <= (root / "x").stat().st_mtime <= 2**33


def test_a_layer_that_is_another_is_refused(root):
    with pytest.raises(WrongContent):
        Layers(root).add(io.BytesIO(packed(entry("x"))), named(b"another"))


@pytest.mark.parametrize("content", [b"", b"no archive at all" * 100, b"\x1f\x8bno gzip"])
def test_what_is_no_archive_is_refused(root, content):
    with pytest.raises((BadLayer, WrongContent)):
        Layers(root).add(io.BytesIO(content), "sha256:0")


@pytest.mark.parametrize("spoilt", [b"\xff" * 200, b""], ids=["spoilt", "cut off"])
def test_a_compression_that_breaks_is_refused(root, spoilt):
    content = packed(entry("x", content=b"".join(b"%d" % number for number in range(50_000))))
    whole = gzip.compress(content, 1)
    with pytest.raises(BadLayer):
        Layers(root).add(io.BytesIO(whole[:9_000] + spoilt + whole[9_200:]), named(content))


def test_files_are_found_within_the_image_only(root):
    lay(root, [entry("etc/passwd", content=b"in"), entry("etc/group", LINK, target="passwd"),
               entry("p", LINK, target="/../../etc/passwd"), entry("loop", LINK, target="loop")])  # fmt: skip
    scope = Scope(root)
    assert [scope.file(each) for each in ("/etc/passwd", "etc/group", "p")] == (
        [root / "etc/passwd"] * 3
    )
    assert scope.file("loop") is None
    assert scope.file("/etc/shadow") is None
    assert os.path.exists("/etc/passwd")  # noqa: PTH110 - which no name above has led to
