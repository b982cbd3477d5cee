"""Archives of layers: read as ``tarfile`` reads honest ones, and bounded where it bounds nothing."""

from __future__ import annotations

import io
import tarfile
import threading

import pytest
from archives import entry

from poolhand.containers.slurm.layer_archive import (
    MOST_HEADER_BYTES,
    BadLayer,
    LayerAbandoned,
    LayerArchive,
    LayersTooLarge,
)

LONG = "/".join(["a folder with a name"] * 20)
FORMS = {"ustar": tarfile.USTAR_FORMAT, "gnu": tarfile.GNU_FORMAT, "pax": tarfile.PAX_FORMAT}


def opened(content, most=2**30, abandoned=None):
    return LayerArchive(io.BytesIO(content), most, abandoned or threading.Event())


def told(archive):
    return [
        (m.name, m.type, m.size, m.mtime, m.uid, m.mode, m.linkname, b"".join(archive.content()))
        for m in archive
    ]


def special(kind, body, size=None):
    """A header that tells of the next file, as it lies in an archive."""
    header = tarfile.TarInfo("told")
    header.type, header.size = kind, len(body) if size is None else size
    return header.tobuf(tarfile.GNU_FORMAT) + body + bytes(-len(body) % 512)


def record(key, value):
    """A record of pax, with its own length before it."""
    rest = f" {key}={value}\n".encode("utf-8", "surrogateescape")
    length = len(rest)
    while length != len(str(length)) + len(rest):
        length = len(str(length)) + len(rest)
    return str(length).encode() + rest


def plain(name="x", content=b"", **changes):
    member, _ = entry(name, content=content)
    for key, value in changes.items():
        setattr(member, key, value)
    return member.tobuf(tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


@pytest.mark.parametrize("form", FORMS)
def test_honest_archives_are_read_as_tarfile_reads_them(form):
    entries = [
        entry("d", tarfile.DIRTYPE, mode=0o755), entry("d/x", content=b"x" * 700),
        entry("soft", tarfile.SYMTYPE, target="d/x"), entry("hard", tarfile.LNKTYPE, target="d/x"),
        entry("pipe", tarfile.FIFOTYPE), entry("empty"),
    ]  # fmt: skip
    if form != "ustar":
        entries += [
            entry(LONG, content=b"l"),
            entry("far", tarfile.SYMTYPE, target=LONG + "/é\udcff"),
        ]
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=FORMS[form], encoding="utf-8") as tar:
        for number, (member, content) in enumerate(entries):
            member.mtime, member.uid = 1_700_000_000 + number * 0.5, 1000
            tar.addfile(member, io.BytesIO(content))
    with tarfile.open(fileobj=io.BytesIO(buffer.getvalue()), encoding="utf-8") as tar:
        wanted = [
            (m.name, m.type, m.size, m.mtime, m.uid, m.mode, m.linkname,
             tar.extractfile(m).read() if m.isfile() else b"")
            for m in tar
        ]  # fmt: skip
    assert told(opened(buffer.getvalue())) == wanted


def test_what_is_not_read_is_passed_over():
    content = plain("a", b"y" * 3000) + plain("b", b"z") + bytes(1024)
    assert [member.name for member in opened(content)] == ["a", "b"]


def test_what_is_told_of_all_files_is_left_out_as_engines_do():
    content = special(tarfile.XGLTYPE, record("path", "other")) + plain("x")
    assert [member.name for member in opened(content)] == ["x"]


@pytest.mark.parametrize(
    "content",
    [
        special(tarfile.XHDTYPE, b"", 2**33) + bytes(10_240),
        special(tarfile.GNUTYPE_LONGNAME, b"", 2**33) + bytes(10_240),
        special(tarfile.XHDTYPE, record("comment", "x")) * 5_000 + plain(),
        special(tarfile.XGLTYPE, record("comment", "x")) * 5_000 + plain(),
        special(tarfile.GNUTYPE_LONGLINK, b"", -1) + plain(),
    ],
    ids=["large", "large name", "many", "many of all files", "less than nothing"],
)
def test_headers_that_would_fill_the_memory_are_refused(content):
    with pytest.raises((BadLayer, tarfile.HeaderError)):
        told(opened(content))


def test_headers_are_counted_for_each_file():
    told_of = special(tarfile.XHDTYPE, record("comment", "x" * 1000)) + plain()
    assert len(told(opened(told_of * (MOST_HEADER_BYTES // 1000) + bytes(1024)))) > 1000


@pytest.mark.parametrize(
    "body",
    [
        b"1" * (MOST_HEADER_BYTES - 2048),
        b"5 a\n\n" * ((MOST_HEADER_BYTES - 2048) // 5) + b"9 long=x\n",
        b"99999999999999999999 a=b\n",
        b"3 a=b\n",
        b"0 a=b\n",
        b"-6 a=b\n",
        b"6 a=bc\n",
        b"5 =b\n",
        b"6 abc\n",
    ],
    ids=[
        "digits",
        "no keys",
        "long",
        "short",
        "nothing",
        "negative",
        "beside",
        "no key",
        "no sign",
    ],
)
def test_records_that_are_none_are_refused(body):
    """The first two keep older Pythons' tarfile busy for minutes, or take all memory there is."""
    with pytest.raises(BadLayer, match="record"):
        told(opened(special(tarfile.XHDTYPE, body) + plain()))


@pytest.mark.parametrize(
    "content",
    [
        plain(type=tarfile.GNUTYPE_SPARSE),
        special(tarfile.XHDTYPE, record("GNU.sparse.map", "0,1")) + plain(),
        special(
            tarfile.XHDTYPE, record("GNU.sparse.major", "1") + record("GNU.sparse.minor", "0")
        ) + plain(),
    ],
    ids=["old", "0.1", "1.0"],
)  # fmt: skip
def test_sparse_files_are_refused(content):
    with pytest.raises(BadLayer, match="sparse"):
        told(opened(content))


@pytest.mark.parametrize(
    "content",
    [
        plain(content=b"x" * 600)[:-512],
        plain()[:300],
        special(tarfile.XHDTYPE, record("size", "4096")) + plain(),
        special(tarfile.XHDTYPE, record("size", "-1")) + plain(),
        special(tarfile.XHDTYPE, record("size", "1e3")) + plain(),
        plain() + b"x" * 512,
    ],
    ids=["content", "header", "size", "negative", "no number", "no header"],
)
def test_what_breaks_off_or_is_no_header_is_refused(content):
    with pytest.raises((BadLayer, tarfile.HeaderError, ValueError)):
        told(opened(content))


def test_no_more_comes_than_may():
    content = plain("x", bytes(2000)) + bytes(1024)
    assert len(told(opened(content, len(content)))) == 1
    with pytest.raises(LayersTooLarge):
        told(opened(content, 2000))


def test_a_layer_for_which_nobody_waits_is_read_no_further():
    abandoned = threading.Event()
    archive = opened(plain("x", bytes(5000)) + bytes(1024), abandoned=abandoned)
    next(iter(archive))
    abandoned.set()
    with pytest.raises(LayerAbandoned):
        list(archive.content())
