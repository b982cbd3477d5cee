"""Result archives: deterministic, complete, and nothing of this machine in them."""

from __future__ import annotations

import os
import stat
import zipfile
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from trees import TREES, add_oddities, grow

from poolhand.domain.computed import NoResult
from poolhand.requester.archive import BadArchive, digests
from poolhand.results.errors import UnsafeArchive
from poolhand.results.inspect import ArchiveLimits, inspect
from poolhand.worker.archive import MAX_STORED, pack
from raw_zip import raw_zip

LIMITS = ArchiveLimits(expanded=4 * 1024**3, files=10_000, ratio=200)


def inspected(archive):
    """Return what the results service finds in an archive."""
    with archive.open("rb") as file:
        return inspect(file, LIMITS)


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "output" / "iexec_out"
    made.mkdir(parents=True)
    return made


def packed(folder):
    archive = folder.parent / "made.zip"
    pack(folder, archive)
    return archive


def test_files_come_back_with_their_paths_and_contents(folder):
    grow(folder, {"b": b"2", "a": b"1", "sub/deeper/c": b"3"})
    (folder / "empty folder").mkdir()
    with zipfile.ZipFile(packed(folder)) as archive:
        assert archive.namelist() == ["a", "b", "sub/deeper/c"]
        assert [archive.read(name) for name in archive.namelist()] == [b"1", b"2", b"3"]


def test_links_pipes_and_sockets_are_passed_over(folder):
    grow(folder, {"real": b"x"})
    add_oddities(folder)
    archive = packed(folder)
    with zipfile.ZipFile(archive) as made:
        assert made.namelist() == ["real"]
    assert b"root:" not in archive.read_bytes()


def test_neither_dates_nor_modes_nor_the_order_of_writing_matter(folder, tmp_path):
    files = {f"f{number}": b"x" * number for number in range(20)}
    first = grow(folder, files)
    second = grow(tmp_path / "other" / "iexec_out", files, reversed)
    for path in second.iterdir():
        path.chmod(0o755)
        os.utime(path, (0, 10**9))
    assert packed(first).read_bytes() == packed(second).read_bytes()
    with zipfile.ZipFile(packed(first)) as archive:
        modes = {entry.external_attr >> 16 for entry in archive.infolist()}
    assert modes == {stat.S_IFREG | 0o644}


def test_an_archive_replaces_the_one_of_an_earlier_try_and_leaves_no_draft(folder):
    archive = packed(grow(folder, {"old": b"1"}))
    (folder / "old").unlink()
    packed(grow(folder, {"new": b"2"}))
    with zipfile.ZipFile(archive) as made:
        assert made.namelist() == ["new"]
    assert {path.name for path in folder.parent.iterdir()} == {"iexec_out", "made.zip"}


def test_a_refused_folder_leaves_the_earlier_archive_and_no_draft(folder):
    archive = packed(grow(folder, {"good": b"1"}))
    before = archive.read_bytes()
    grow(folder, {"bad\\name": b"2"})
    with pytest.raises(NoResult):
        packed(folder)
    assert archive.read_bytes() == before
    assert {path.name for path in folder.parent.iterdir()} == {"iexec_out", "made.zip"}


def test_what_shrinks_like_a_bomb_is_stored_and_so_taken_by_the_results_service(folder):
    (folder / "zeros").write_bytes(bytes(20 * 1024**2))
    archive = packed(folder)
    assert archive.stat().st_size > 20 * 1024**2
    assert inspected(archive).files[0].size == 20 * 1024**2


@given(TREES, st.randoms(use_true_random=False))
def test_the_same_files_give_the_same_archive_and_the_results_service_takes_it(files, random):
    with TemporaryDirectory() as root:
        one = grow(Path(root) / "1" / "iexec_out", files)
        real = {
            str(path.relative_to(one)): path.read_bytes() for path in one.rglob("*")
            if path.is_file()
        }  # fmt: skip
        two = grow(
            Path(root) / "2" / "iexec_out", real, lambda names: random.sample(names, len(names))
        )
        try:
            archive = packed(one)
        except NoResult:
            with pytest.raises(NoResult):
                packed(two)
            return
        assert archive.read_bytes() == packed(two).read_bytes()
        contents = inspected(archive)
        assert contents.digests == {n: sha256(c).digest() for n, c in real.items()}


SPOTS = st.sampled_from(["\u202e", "\u200b", "\xa0", "\ue000", "\x1b", "\n", "\\", ":", "ẞ", "Å"])
NAMES = st.one_of(
    st.lists(st.one_of(st.characters(codec="utf-8"), SPOTS), min_size=1, max_size=8)
    .map("".join)
    .map(str.encode),
    st.binary(min_size=1, max_size=30),
).filter(lambda name: not {b"/"[0], 0} & set(name) and name not in (b".", b".."))


def verdicts(names, folder):
    """Return who takes files of these names: worker, results service, requester."""
    yield "worker", NoResult, lambda: packed(folder)
    archive = folder.parent / "foreign.zip"
    archive.write_bytes(raw_zip(*((name, b"{}") for name in names), flags=0x800))
    yield "results", UnsafeArchive, lambda: inspected(archive)
    yield "requester", BadArchive, lambda: digests(archive)


@pytest.mark.case("A12")
@given(st.lists(NAMES, max_size=2, unique=True))
@example([b"a\xe2\x80\xaegpj.exe"])
@example([b"caf\xe9"])
@example(["é".encode(), "e\u0301".encode()])
def test_worker_results_and_requester_take_the_same_names(names):
    names = [*names, b"computed.json"]
    with TemporaryDirectory() as root:
        folder = Path(root) / "iexec_out"
        folder.mkdir()
        for name in names:
            (folder / os.fsdecode(name)).write_bytes(b"{}")
        takers = []
        for who, refusal, look in verdicts(names, folder):
            with suppress(refusal):
                look()
                takers.append(who)
    assert takers in ([], ["worker", "results", "requester"])


@given(NAMES)
def test_every_name_is_packed_as_the_results_service_takes_it_or_refused_before(name):
    with TemporaryDirectory() as root:
        folder = Path(root) / "iexec_out"
        folder.mkdir()
        (folder / os.fsdecode(name)).write_bytes(b"x")
        try:
            archive = packed(folder)
        except NoResult:
            return
        assert list(inspected(archive).digests) == [name.decode()]


def sparse(folder, size):
    with (folder / "holes").open("wb") as file:
        file.truncate(size)


@pytest.mark.case("N4")
def test_a_sparse_file_is_never_stored_as_a_huge_archive(folder):
    grow(folder, {"real": b"x"})
    sparse(folder, MAX_STORED + 1)
    with pytest.raises(NoResult, match="sparse or blank"):
        packed(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["iexec_out"]


def test_what_packs_well_and_says_something_may_be_large(folder):
    (folder / "log").write_bytes(b"".join(b"line %d\n" % number for number in range(6_000_000)))
    assert (folder / "log").stat().st_size > MAX_STORED
    archive = packed(folder)
    assert archive.stat().st_size < 20 * 1024**2
    assert inspected(archive).digests.keys() == {"log"}
