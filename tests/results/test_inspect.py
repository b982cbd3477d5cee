"""Archives that strangers send: evil ones are refused with a sentence, sound ones read exactly."""

from __future__ import annotations

import hashlib
import io
import stat
import struct
import tempfile
import zipfile
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.ports.files import UploadRefused
from poolhand.results.errors import ArchiveTooLarge, UnsafeArchive
from poolhand.results.inspect import FREE_BYTES, ArchiveLimits, Contents, inspect
from raw_zip import raw_zip

LIMITS = ArchiveLimits(expanded=64 * 1024**2, files=100, ratio=20)


def look(raw: bytes, limits: ArchiveLimits = LIMITS) -> Contents:
    with tempfile.NamedTemporaryFile() as file:
        file.write(raw)
        file.flush()
        return inspect(file, limits)


def packed(*entries, method=zipfile.ZIP_DEFLATED) -> bytes:
    """Pack (name or ZipInfo, bytes) pairs, duplicates and all."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", method) as archive:
        for name, content in entries:
            entry = info(name, compress_type=method) if isinstance(name, str) else name
            archive.writestr(entry, content)
    return target.getvalue()


def info(name: str, *, mode: int = 0, **members) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name)
    made.external_attr = mode << 16
    for key, value in members.items():
        setattr(made, key, value)
    return made


def test_a_sound_archive_is_read_to_the_byte():
    found = look(packed(("a/b.txt", b"one"), ("a/", b""), ("computed.json", b"{}"), ("empty", b"")))
    assert {each.name: each.size for each in found.files} == {
        "a/b.txt": 3,
        "computed.json": 2,
        "empty": 0,
    }
    assert found.digests["a/b.txt"] == hashlib.sha256(b"one").digest()
    assert found.computed == b"{}"


def test_hand_made_archives_of_these_tests_are_sound_to_begin_with():
    assert look(bytes(raw_zip((b"a", b"1"), (b"b", b"22")))).digests.keys() == {"a", "b"}


def test_an_archive_written_to_a_stream_is_read():
    class Stream(io.RawIOBase):
        def __init__(self):
            self.data = bytearray()

        def writable(self):
            return True

        def write(self, chunk):
            self.data += chunk
            return len(chunk)

    stream = Stream()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"one" * 1000)
        archive.writestr("b", b"two")
    assert look(bytes(stream.data)).digests.keys() == {"a", "b"}


@settings(deadline=None)
@given(
    st.dictionaries(
        st.text("abcXYZ09é ._-", min_size=1).filter(lambda n: n.strip(".")),
        st.binary(max_size=3000),
        max_size=8,
    )
)
def test_whatever_python_packs_is_hashed_as_python_unpacks_it(files):
    try:
        found = look(packed(*files.items()))
    except UnsafeArchive:
        keys = [name.casefold() for name in files]
        assert len(set(keys)) < len(keys) or any(len(name.encode()) > 255 for name in files)
        return
    assert found.digests == {name: hashlib.sha256(data).digest() for name, data in files.items()}


def test_a_large_entry_that_packs_well_is_inflated_to_its_end():
    content = b"ab" * (3 * 1024**2)
    assert look(packed(("big", content))).digests["big"] == hashlib.sha256(content).digest()


# -------------------------------------------------------------------------------------------- names

EVIL_NAMES = [
    "/etc/passwd",
    "../up",
    "a/../../up",
    "a//b",
    "./a",
    "a/.",
    "..",
    "C:/windows",
    "c:evil",
    "a\\b",
    "a\nb",
    "a\x1b[2Jb",
    "x" * 256,
    "é" * 128,
    "a\u202egpj.exe",
    "a\u00a0b",
    "//server/share",
    "",
    "/",
]


@pytest.mark.parametrize("name", EVIL_NAMES)
def test_an_evil_name_is_refused(name):
    with pytest.raises(UnsafeArchive, match="file name"):
        look(bytes(raw_zip((name.encode(), b""), flags=0x800)))


def test_a_name_cut_by_a_null_byte_is_refused():
    with pytest.raises(UnsafeArchive, match="control characters"):
        look(bytes(raw_zip((b"good\0/../evil", b""))))


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("a", "a"),
        ("a", "A"),
        ("straße", "STRASSE"),
        ("\u00e9", "e\u0301"),
        ("a", "a/b"),
        ("a/b", "a"),
        ("dir/x", "DIR/y"),
        ("a/", "A"),
    ],
)
def test_names_that_meet_on_some_disk_are_refused(first, second):
    with pytest.raises(UnsafeArchive, match="apart"):
        look(bytes(raw_zip((first.encode(), b""), (second.encode(), b""), flags=0x800)))


def test_a_folder_may_be_listed_and_used():
    assert look(packed(("a/", b""), ("a/b", b""))).digests.keys() == {"a/b"}


# -------------------------------------------------------------------------------------------- kinds


@pytest.mark.parametrize(
    "kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
)
def test_a_link_or_device_is_refused(kind):
    with pytest.raises(UnsafeArchive, match="special file"):
        look(packed((info("link", mode=kind | 0o777), b"/etc/passwd")))


def test_a_file_that_says_it_is_a_folder_is_refused():
    with pytest.raises(UnsafeArchive, match="special file"):
        look(packed((info("a", mode=stat.S_IFDIR | 0o755), b"x")))


def test_a_folder_with_contents_is_refused():
    with pytest.raises(UnsafeArchive, match="contents of its own"):
        look(bytes(raw_zip((b"a/", b"x"))))


@pytest.mark.parametrize("flags", [0x1, 0x41, 0x2000])
def test_an_encrypted_entry_is_refused(flags):
    with pytest.raises(UnsafeArchive, match="encrypted"):
        look(bytes(raw_zip((b"a", b"x"), flags=flags)))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_another_packing_than_deflate_is_refused(method):
    with pytest.raises(UnsafeArchive, match="method"):
        look(packed(("a", b"x" * 100), method=method))


# -------------------------------------------------------------------------------------------- bombs


def test_a_bomb_by_ratio_is_refused_before_it_is_inflated():
    with pytest.raises(ArchiveTooLarge, match="20 times"):
        look(packed(("a", bytes(FREE_BYTES + 1))))


def test_well_packed_output_under_the_free_bytes_is_taken():
    assert look(packed(("a", bytes(FREE_BYTES)))).files[0].size == FREE_BYTES


def test_a_bomb_by_total_is_refused():
    content = b"x" * 1000
    with pytest.raises(ArchiveTooLarge, match="2000 bytes"):
        look(packed(("a", content), ("b", content)), ArchiveLimits(1999, 10, 1000))


def test_a_bomb_by_entries_is_refused():
    with pytest.raises(ArchiveTooLarge, match="101 entries"):
        look(packed(*((str(number), b"") for number in range(101))))


def test_a_directory_that_hides_its_number_of_entries_is_refused():
    raw = bytearray(packed(*((str(number), b"") for number in range(101))))
    raw[-14:-10] = struct.pack("<2H", 1, 1)
    with pytest.raises(ArchiveTooLarge, match="100 entries"):
        look(bytes(raw))


def deflated(content: bytes, *, size: int, crc: int) -> bytes:
    """Pack one entry whose size and checksum are as told."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    stream = packer.compress(content) + packer.flush()
    told = (33, crc, len(stream), size, 1, 0)
    body = struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, *told) + b"a" + stream
    entry = struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 8, 0, *told, 0, 0, 0, 0, 0)
    entry += b"a"
    return body + entry + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, len(entry), len(body), 0)


def test_an_entry_that_inflates_beyond_its_size_is_refused():
    """Python's own zipfile stops at the size and sees nothing wrong."""
    raw = deflated(b"harmless" + b"evil" * 1000, size=8, crc=zlib.crc32(b"harmless"))
    assert zipfile.ZipFile(io.BytesIO(raw)).read("a") == b"harmless"
    with pytest.raises(UnsafeArchive, match="longer than it says"):
        look(raw)


def test_an_entry_that_holds_less_than_its_size_is_refused():
    with pytest.raises(UnsafeArchive, match="damaged"):
        look(deflated(b"short", size=9, crc=zlib.crc32(b"short")))


# ----------------------------------------------------------------------------------------- overlaps


def test_entries_that_share_their_data_are_refused():
    """The bomb of David Fifield: many names, one body."""
    raw = raw_zip((b"a", b"x" * 50), (b"b", b""))
    at = raw.rindex(b"PK\1\2")
    raw[at + 42 : at + 46] = struct.pack("<L", 0)
    with pytest.raises(UnsafeArchive, match="overlaps"):
        look(bytes(raw))


def test_something_between_two_entries_alone_is_refused():
    raw = raw_zip((b"a", b"x"), (b"b", b"y"))
    at, junk = 30 + 1 + 1, bytes(60)
    directory = raw.index(b"PK\1\2") + len(junk)
    raw = raw[:at] + junk + raw[at:]
    second = raw.rindex(b"PK\1\2")
    raw[second + 42 : second + 46] = struct.pack("<L", at + len(junk))
    raw[-6:-2] = struct.pack("<L", directory)
    assert zipfile.ZipFile(io.BytesIO(bytes(raw))).read("b") == b"y"
    with pytest.raises(UnsafeArchive, match="lies before it"):
        look(bytes(raw))


def test_something_between_the_last_entry_and_the_directory_is_refused():
    with pytest.raises(UnsafeArchive, match="between the entries"):
        look(bytes(raw_zip((b"a", b"x"), between=b"hidden")))


def test_a_second_end_record_hidden_in_a_comment_is_refused():
    """Python would believe the zip64 record that the comment of the last entry points to."""
    raw = raw_zip((b"a", b"x"))
    entry, locator = raw.index(b"PK\1\2"), b"PK\6\7" + bytes(16)
    raw[entry + 32 : entry + 34] = struct.pack("<H", len(locator))
    raw[-10:-6] = struct.pack("<L", 46 + 1 + len(locator))
    with pytest.raises(UnsafeArchive, match="zip64 kind"):
        look(bytes(raw[:-22] + locator + raw[-22:]))


@pytest.mark.parametrize("junk", [b"PK\3\4" + bytes(60), b"hidden"])
def test_something_between_entries_is_refused(junk):
    with pytest.raises(UnsafeArchive, match="lies b"):
        look(bytes(raw_zip((b"a", b"x"), (b"b", b"y"), between=junk)))


def test_something_before_or_behind_the_archive_is_refused():
    raw = packed(("a", b"x"))
    for shown in (b"#!/bin/sh\n" + raw, raw + b"\n", raw[:-2] + b"\x04\0evil"):
        with pytest.raises(UnsafeArchive):
            look(shown)


def test_an_entry_described_in_two_ways_is_refused():
    raw = raw_zip((b"good", b"x"))
    raw[30:34] = b"evil"
    with pytest.raises(UnsafeArchive, match="two ways"):
        look(bytes(raw))


def test_an_entry_with_two_sizes_is_refused():
    raw = raw_zip((b"good", b"x"))
    raw[22:26] = struct.pack("<L", 9)
    with pytest.raises(UnsafeArchive, match="two sizes"):
        look(bytes(raw))


def test_damage_is_noticed():
    raw = raw_zip((b"good", b"content"))
    raw[36] ^= 1
    with pytest.raises(UnsafeArchive, match="damaged"):
        look(bytes(raw))


# --------------------------------------------------------------------------------------------- fuzz

SEED = packed(("a/result.txt", b"42" * 100), ("computed.json", b"{}"), ("b/", b""))


def judged(raw: bytes) -> Contents | UploadRefused:
    """Look; anything but contents or a refusal fails the test by itself."""
    try:
        return look(raw)
    except UploadRefused as fault:
        return fault


@settings(deadline=None, max_examples=examples(300))
@given(st.binary(max_size=500))
def test_any_bytes_are_contents_or_a_refusal(raw):
    assert str(judged(raw))


@settings(deadline=None, max_examples=examples(500))
@given(
    st.lists(st.tuples(st.integers(0, len(SEED) - 1), st.integers(0, 255)), max_size=6),
    st.integers(0, len(SEED)),
    st.binary(max_size=8),
)
def test_a_changed_archive_is_contents_or_a_refusal(changes, cut, junk):
    raw = bytearray(SEED)
    for at, value in changes:
        raw[at] = value
    for shown in (bytes(raw), bytes(raw[:cut]) + junk, bytes(raw[:cut]) + junk + bytes(raw[cut:])):
        found = judged(shown)
        if isinstance(found, Contents):
            assert all(".." not in each.name.split("/") for each in found.files)
