"""What an app leaves behind, and its digest (specification: scheduler-protocol 6.6)."""

from contextlib import suppress
from hashlib import sha256

import pytest
from eth_hash.auto import keccak
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.computed import MAX_COMPUTED, Computed, NoResult, result_digest
from poolhand.domain.text import is_plain

FILES = {
    "computed.json": sha256(b"{}").digest(),
    "result.txt": sha256(b"result").digest(),
    "pictures/b.png": sha256(b"b").digest(),
    "pictures/a.png": sha256(b"a").digest(),
    "pictures/deep/c.png": sha256(b"c").digest(),
}
CALLBACK = Computed(None, b"\xca\x11")


def digest(path, files=FILES):
    return result_digest(Computed(path, None), files, with_callback=False)


def test_a_file_has_its_sha256():
    assert digest("/iexec_out/result.txt") == FILES["result.txt"]
    assert digest("/iexec_out/pictures/deep/../a.png") == FILES["pictures/a.png"]


def test_a_folder_has_keccak_of_its_direct_children_in_order():
    expected = keccak(FILES["pictures/a.png"] + FILES["pictures/b.png"])
    assert digest("/iexec_out/pictures") == digest("/iexec_out/pictures/") == expected


def test_the_whole_output_is_a_folder_too():
    assert digest("/iexec_out") == keccak(FILES["computed.json"] + FILES["result.txt"])


def test_children_are_sorted_as_java_sorts():
    """By UTF-16 code units: a character beyond the 16 bits comes before U+FFFD."""
    files = {"x/\ufffd": b"1" * 32, "x/\U0001f600": b"2" * 32}
    assert digest("/iexec_out/x", files) == keccak(b"2" * 32 + b"1" * 32)


def test_a_folder_of_folders_is_empty():
    assert digest("/iexec_out/x", {"x/y/z": b"1" * 32}) == keccak(b"")


def test_a_neighbour_with_the_same_beginning_is_not_a_child():
    assert digest("/iexec_out/x", {"x/a": b"1" * 32, "xy/b": b"2" * 32}) == keccak(b"1" * 32)


@pytest.mark.parametrize(
    "path",
    [
        None,
        "",
        "result.txt",
        "/etc/passwd",
        "/iexec_out/../etc/passwd",
        "/iexec_output/x",
        "//iexec_out/result.txt",
        "/iexec_out/missing",
        "/iexec_out/result.txt/x",
        "/iexec_out/pictures/..\0/x",
    ],
)
def test_a_path_elsewhere_or_missing_is_no_result(path):
    with pytest.raises(NoResult):
        digest(path)


def test_a_callback_has_keccak_of_its_bytes_whatever_the_files_say():
    assert result_digest(CALLBACK, {}, with_callback=True) == keccak(b"\xca\x11")
    with pytest.raises(NoResult):
        result_digest(Computed("/iexec_out/result.txt", None), FILES, with_callback=True)


def test_without_a_callback_its_bytes_count_for_nothing():
    both = Computed("/iexec_out/result.txt", b"\xca\x11")
    assert result_digest(both, FILES, with_callback=False) == FILES["result.txt"]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"deterministic-output-path":"/iexec_out/x"}', Computed("/iexec_out/x", None)),
        (b'{"deterministic-output-path":"","callback-data":"0xCA11"}', CALLBACK),
        (
            b'{"callback-data":"ca11","error-message":"","task-id":"0x","result-digest":""}',
            CALLBACK,
        ),
        (b'{"callback-data":"","enclave-signature":null}', Computed(None, None)),
        (b"{}", Computed(None, None)),
    ],
)
def test_computed_json_is_read(raw, expected):
    assert Computed.parse(raw) == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b'"x"',
        b"\xff",
        b'{"surprise":1}',
        b'{"deterministic-output-path":1}',
        b'{"callback-data":["0x"]}',
        b'{"callback-data":"0xabc"}',
        b'{"callback-data":"hello"}',
        b"[" * 100_000,
        b'{"error-message":"' + b"x" * MAX_COMPUTED + b'"}',
    ],
)
def test_anything_else_is_no_result(raw):
    with pytest.raises(NoResult):
        Computed.parse(raw)


@given(st.binary(max_size=60) | st.text(max_size=40).map(str.encode))
def test_any_bytes_are_read_or_no_result(raw):
    with suppress(NoResult):
        Computed.parse(raw)


@pytest.mark.case("D7")
def test_a_byte_order_mark_is_read_over():
    raw = b'\xef\xbb\xbf{"deterministic-output-path":"/iexec_out/r"}'
    assert Computed.parse(raw) == Computed("/iexec_out/r", None)


@pytest.mark.case("D7")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_another_encoding_is_named(encoding):
    mark = {"utf-16-le": "\ufeff", "utf-16-be": "\ufeff"}.get(encoding, "")
    with pytest.raises(NoResult, match="UTF-16"):
        Computed.parse((mark + "{}").encode(encoding))


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    "raw",
    [
        rb'{"deterministic-output-path":"/iexec_out/\ud800"}',
        rb'{"\ud800":1}',
        rb'{"callback-data":"\ud800"}',
        rb'{"error-message":"\ud800"}',
        rb'{"deterministic-output-path":"/iexec_out/\u001b[2J"}',
        rb'{"deterministic-output-path":"/iexec_out/a\u202eb"}',
        rb'{"\u001b[2J":1}',
        b'{"' + b"x" * 1000 + b'":1}',
    ],
)
def test_hostile_texts_in_computed_json_are_refused_in_words_that_can_be_shown(raw):
    with pytest.raises(NoResult) as caught:
        Computed.parse(raw)
    assert is_plain(str(caught.value))
    assert len(str(caught.value)) < 200
