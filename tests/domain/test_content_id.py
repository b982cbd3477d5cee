"""Addresses of IPFS and the blocks of files: nothing passes that its hash does not name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dag_writer import address, member, node, varint, written
from poolhand.domain.content_id import (
    DAG_PB,
    MOST_BLOCK,
    MOST_PIECE,
    MOST_PIECES,
    RAW_LEAF,
    ContentId,
    FalseBlock,
    UnfitContentId,
    address_of_file,
    is_file_of,
    read_block,
)
from poolhand.domain.errors import Refused

HELLO = "Qmf412jQZiuVUtdgnB36FXFX7xg5V6KEbSJ4dpQuhkLyfD"
"""``hello world`` as every node adds it."""
HELLO_RAW = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


def test_addresses_are_those_that_nodes_give():
    assert str(address(node(b"hello world"))) == HELLO
    assert str(address(b"hello world", RAW_LEAF, version=1)) == HELLO_RAW


@pytest.mark.parametrize("text", [HELLO, HELLO_RAW])
def test_an_address_is_read_and_written_as_it_is(text):
    assert str(ContentId.parse(text)) == text


@given(st.binary(min_size=32, max_size=32), st.sampled_from([DAG_PB, RAW_LEAF]))
def test_what_is_written_is_read(digest, codec):
    content = ContentId(codec, digest, 1)
    assert ContentId.parse(str(content)) == content


@pytest.mark.parametrize(
    "text",
    [
        "", "Qm", HELLO[:-1], HELLO + "a", HELLO.replace("f", "0", 1), "b" + "a" * 58, "z" + "1" * 50,
        HELLO_RAW.upper(), HELLO + "\n", "../" + HELLO, "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzd\x00",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(UnfitContentId):
        ContentId.parse(text)


@given(st.text(alphabet="Qmbz123456789ABCDEFabcdef", max_size=70))
def test_any_text_is_an_address_or_is_refused(text):
    try:
        assert ContentId.parse(text).digest
    except Refused:
        return


def pieces(root, blocks, first=0, count=None) -> bytes:
    """Put a file together from its left to its right."""
    found = read_block(root, blocks[root])
    content = found.data + b"".join(pieces(part, blocks) for part, _ in found.parts)
    return content[first : None if count is None else first + count]


@given(st.binary(max_size=200), st.integers(1, 50), st.integers(2, 5), st.booleans())
def test_a_file_comes_out_as_it_went_in(content, chunk, width, raw):
    root, blocks = written(content, chunk, width, raw=raw)
    assert pieces(root, blocks) == content
    assert read_block(root, blocks[root], len(content)).size == len(content)


@given(st.binary(min_size=1, max_size=100), st.data())
def test_a_block_that_was_altered_is_refused(content, data):
    root, blocks = written(content, 10, 3)
    block = bytearray(blocks[root])
    block[data.draw(st.integers(0, len(block) - 1))] ^= data.draw(st.integers(1, 255))
    with pytest.raises(FalseBlock, match="something else"):
        read_block(root, bytes(block))


FILE = member(1, 2)
LIES = {
    "a folder": node(kind=1),
    "a size of its own": node(b"abc", size=4),
    "sizes without parts": member(1, FILE + member(4, 5)),
    "a part without an address": member(2, member(3, 1)) + member(1, FILE + member(4, 1)),
    "a part of another hash": member(2, member(1, b"\x11\x14" + bytes(20)))
    + member(1, FILE + member(4, 1)),
    "broken off": b"\x0a\x7f",
    "a number without an end": b"\x80" * 12,
    "another kind of member": varint(1 << 3 | 5) + bytes(4),
    "nothing": b"",
}


@pytest.mark.parametrize("block", LIES.values(), ids=LIES)
def test_a_block_that_is_no_part_of_a_file_is_refused(block):
    with pytest.raises(FalseBlock, match="no part of a file"):
        read_block(address(block), block)


@given(st.binary(max_size=60))
def test_any_bytes_are_a_block_or_are_refused(block):
    try:
        assert read_block(address(block), block).size >= 0
    except FalseBlock:
        return


def test_packed_sizes_are_read_as_well():
    leaf = node(b"ab")
    link = member(1, b"\x12\x20" + address(leaf).digest)
    block = member(2, link) + member(1, FILE + member(4, varint(2)))
    assert read_block(address(block), block).parts == ((address(leaf), 2),)


def test_a_block_of_another_size_than_was_told_is_refused():
    block = node(b"abc")
    with pytest.raises(FalseBlock, match="3 bytes of the file, and 4"):
        read_block(address(block), block, 4)


def test_a_block_that_no_node_exchanges_is_refused():
    block = bytes(MOST_BLOCK + 1)
    with pytest.raises(FalseBlock):
        read_block(address(block, RAW_LEAF, 1), block)


def test_a_file_has_the_address_that_nodes_give_it_by_default():
    assert str(address_of_file(b"hello world")) == HELLO
    assert str(address_of_file(b"")) == "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
    with pytest.raises(ValueError, match="more than"):
        address_of_file(bytes(MOST_PIECE * MOST_PIECES + 1))


@given(st.binary(max_size=40), st.integers(0, 2))
def test_a_whole_file_is_told_by_its_address_and_a_larger_one_is_not(tail, pieces):
    data = bytes(pieces * MOST_PIECE) + tail
    small = len(data) <= MOST_PIECE
    assert is_file_of(address_of_file(data), data) == small
    assert not is_file_of(address_of_file(data), data + b"!")
    assert is_file_of(address(data, RAW_LEAF, version=1), data)


def test_a_file_of_several_pieces_is_the_tree_that_reads_as_it():
    first, rest = node(bytes(MOST_PIECE)), node(b"rest")
    links = [member(1, b"\x12\x20" + address(each).digest) + member(2, b"") + member(3, len(each))
             for each in (first, rest)]  # fmt: skip
    sizes = member(4, MOST_PIECE) + member(4, 4)
    root = b"".join(member(2, each) for each in links) + member(
        1, member(1, 2) + member(3, MOST_PIECE + 4) + sizes
    )
    assert address_of_file(bytes(MOST_PIECE) + b"rest") == address(root)
    assert read_block(address(root), root).parts == (
        (address(first), MOST_PIECE),
        (address(rest), 4),
    )
