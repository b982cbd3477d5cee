"""Locations of apps and datasets (specification, section 8)."""

from contextlib import suppress

import pytest
from base58 import b58encode
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.multiaddr import (
    MAX_LOCATION,
    UnreadableLocation,
    decode,
    encode,
)
from poolhand.domain.text import UnfitText, is_plain

CID = "QmRwwTz9Chq4Y7F7ReKKcx1GV6s3H7egmNGrku9XrwiDa8"
BINARY = bytes.fromhex("a503221220359d55f58a43126d4ba446a35940265eb2dab57ecbc439e7f105c558f8774819")
TEXTS = [
    "docker.io/iexechub/python-hello-world:8.0.4",
    "registry.hub.docker.com/owner/img@sha256:" + "ab" * 32,
    "https://example.com/données?x=1",
    "/ipfs/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi",
    "/ipfs/Qm0OIl",
    "",
]


@pytest.mark.parametrize("prefix", ["/ipfs/", "/p2p/"])
def test_an_ipfs_address_is_stored_in_binary(prefix):
    assert encode(prefix + CID) == BINARY
    assert decode(BINARY) == "/ipfs/" + CID


def test_an_ipfs_address_written_as_text_is_read_too():
    assert decode(f"/ipfs/{CID}".encode()) == "/ipfs/" + CID
    assert decode(f"/p2p/{CID}".encode()) == "/ipfs/" + CID


@pytest.mark.parametrize("text", TEXTS)
def test_everything_else_is_text(text):
    assert encode(f" {text}\n") == text.encode()
    assert decode(text.encode()) == text


@pytest.mark.parametrize(
    "raw",
    [
        "047f000001061f90",
        "360b6578616d706c652e636f6d0601bbbb03",
        "a503",
        "a50322",
        "a50322122035",
        "ff00",
        "00",
        "0a",
    ],
)
def test_other_bytes_are_refused(raw):
    with pytest.raises(UnreadableLocation):
        decode(bytes.fromhex(raw))


@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\xa5\x03" + tail))
def test_any_bytes_give_a_text_or_a_refusal(raw):
    with suppress(UnreadableLocation):
        assert is_plain(decode(raw))


@pytest.mark.case("A1")
@pytest.mark.parametrize("text", ["\ud800", "a\u202eb", "a\x1b", "x" * (MAX_LOCATION + 1)])
def test_no_location_is_written_that_nobody_would_read(text):
    with pytest.raises(UnfitText):
        encode(text)
    with pytest.raises(UnreadableLocation):
        decode(text.encode("utf-8", "surrogatepass"))


@given(st.binary(min_size=32, max_size=32))
def test_every_ipfs_address_comes_back(digest):
    text = "/ipfs/" + b58encode(b"\x12\x20" + digest).decode()
    assert text.startswith("/ipfs/Qm")
    assert decode(encode(text)) == text
