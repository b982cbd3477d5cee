"""Content by its hash: IPFS addresses, and the blocks that a file there is made of.

A file is a tree of blocks, each named by the sha256 of its bytes. So whoever knows the address
of the root can check all of it block by block, whoever hands it out: nothing here trusts a node.

Source: multiformats CID; the dag-pb and UnixFS specifications of IPFS.
"""

from __future__ import annotations

import binascii
import re
from base64 import b32decode, b32encode
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Final, Self

from base58 import b58decode, b58encode

from poolhand.domain.errors import PeerFault, Refused

MOST_BLOCK: Final = 2 * 1024**2
"""Bytes of the largest block that IPFS nodes exchange."""
DAG_PB: Final = 0x70
RAW_LEAF: Final = 0x55
_SHA256: Final = b"\x12\x20"
CONTENT_ID: Final = r"^(?:Qm[1-9A-HJ-NP-Za-km-z]{44}|b[a-z2-7]{58}|z[1-9A-HJ-NP-Za-km-z]{40,60})$"
"""What a content id looks like."""
_CID: Final = re.compile(CONTENT_ID)
_FILE_KINDS: Final = (0, 2)
"""Of UnixFS: bytes alone, and a file."""
_VARINT, _BYTES = 0, 2


class UnfitContentId(Refused):
    """It names no file of IPFS by a sha256."""

    http_status = 404


class FalseBlock(PeerFault):
    """A block is not the one that its address names, or is no part of a file."""


@dataclass(frozen=True, slots=True)
class ContentId:
    """A CID: how the block is written (``DAG_PB``, ``RAW_LEAF``), and its sha256 (32 bytes)."""

    codec: int
    digest: bytes
    version: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``Qm…``, ``b…`` (base 32) or ``z…`` (base 58).

        Raises:
            UnfitContentId: It is none of these, or hashed otherwise.
        """
        if not _CID.fullmatch(text):
            raise UnfitContentId("that is no IPFS content id with a sha256")
        try:
            return cls.read(_decoded(text))
        except (ValueError, binascii.Error) as fault:
            raise UnfitContentId(f"that is no IPFS content id: {fault}") from fault

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Read the bytes of one; raises ValueError where they are none with a sha256."""
        if raw[:2] == _SHA256 and len(raw) == 34:
            return cls(DAG_PB, raw[2:])
        version, codec, kind, digest = raw[:1], raw[1:2], raw[2:4], raw[4:]
        known = codec in (bytes([DAG_PB]), bytes([RAW_LEAF]))
        if version != b"\x01" or not known or kind != _SHA256 or len(digest) != 32:
            raise ValueError("not a file with a sha256")
        return cls(codec[0], digest, 1)

    def __str__(self) -> str:
        """Write it as Kubo does: version 0 in base 58, version 1 in base 32."""
        if not self.version:
            return b58encode(_SHA256 + self.digest).decode()
        raw = bytes([1, self.codec]) + _SHA256 + self.digest
        return "b" + b32encode(raw).decode().rstrip("=").lower()


def _decoded(text: str) -> bytes:
    if text.startswith("b"):
        padding = "=" * (-len(text[1:]) % 8)
        return b32decode(text[1:].upper() + padding)
    return b58decode(text.removeprefix("z"))


@dataclass(frozen=True, slots=True)
class FileNode:
    """One block of a file: bytes of its own, then parts, each with the bytes that are under it."""

    data: bytes
    parts: tuple[tuple[ContentId, int], ...] = ()

    @property
    def size(self) -> int:
        """Bytes of the file at and under this block."""
        return len(self.data) + sum(size for _, size in self.parts)


MOST_PIECE: Final = 256 * 1024
"""Bytes of a file that IPFS nodes write as one block, unless they are told otherwise."""
MOST_PIECES: Final = 174
"""Blocks under one other, as they write them."""


def address_of_file(content: bytes) -> ContentId:
    """Return the address (version 0) under which IPFS nodes store a file by default.

    Raises:
        ValueError: It has more than ``MOST_PIECES`` pieces, so more than one level of blocks.
    """
    pieces = [content[at : at + MOST_PIECE] for at in range(0, len(content), MOST_PIECE)] or [b""]
    if len(pieces) > MOST_PIECES:
        raise ValueError(f"a file of more than {MOST_PIECES * MOST_PIECE} bytes")
    blocks = [(_written(each), len(each)) for each in pieces]
    if len(blocks) == 1:
        return _address(blocks[0][0])
    links = b"".join(_linked(block) for block, _ in blocks)
    return _address(links + _written(b"", tuple(size for _, size in blocks)))


def is_file_of(content: ContentId, data: bytes) -> bool:
    """Whether a file that was read as a whole is the one that an address names.

    Only what is one block can be told: a larger file is not.
    """
    if content.codec == RAW_LEAF:
        return sha256(data).digest() == content.digest
    return len(data) <= MOST_PIECE and _address(_written(data)).digest == content.digest


def _address(block: bytes) -> ContentId:
    return ContentId(DAG_PB, sha256(block).digest())


def _written(data: bytes, parts: tuple[int, ...] = ()) -> bytes:
    """Write what UnixFS says of a block that has bytes of its own, or parts of such sizes."""
    own = _member(2, data) if data else b""
    sizes = b"".join(_number(4, each) for each in parts)
    return _member(1, _number(1, 2) + own + _number(3, len(data) + sum(parts)) + sizes)


def _linked(block: bytes) -> bytes:
    """Write what a block says of one under it: its address, no name, its bytes."""
    digest = _SHA256 + _address(block).digest
    return _member(2, _member(1, digest) + _member(2, b"") + _number(3, len(block)))


def _member(number: int, value: bytes) -> bytes:
    return _whole(number << 3 | _BYTES) + _whole(len(value)) + value


def _number(number: int, value: int) -> bytes:
    return _whole(number << 3 | _VARINT) + _whole(value)


def _whole(value: int) -> bytes:
    """Write a whole number, seven bits in a byte."""
    told = bytearray()
    while value > 0x7F:
        told.append(value & 0x7F | 0x80)
        value >>= 7
    told.append(value)
    return bytes(told)


def read_block(content: ContentId, block: bytes, size: int | None = None) -> FileNode:
    """Check a block against its address, and read it.

    Args:
        content: Its address.
        block: What somebody says that it is.
        size: Bytes of the file that must be at and under it; None: any.

    Raises:
        FalseBlock: It is another block, no part of a file, or of another size.
    """
    if len(block) > MOST_BLOCK or sha256(block).digest() != content.digest:
        raise FalseBlock(f"what was given as {content} is something else")
    try:
        node = FileNode(block) if content.codec == RAW_LEAF else _read_node(block)
    except (ValueError, IndexError) as fault:
        raise FalseBlock(f"{content} is no part of a file: {fault}") from fault
    if size is not None and node.size != size:
        raise FalseBlock(f"{content} holds {node.size} bytes of the file, and {size} were told")
    return node


def _read_node(block: bytes) -> FileNode:
    links, payload = [], b""
    for number, value in _members(block):
        if isinstance(value, bytes) and number == 2:
            links.append(_link(value))
        elif isinstance(value, bytes) and number == 1:
            payload = value
    kind, told, data, sizes = _read_file(payload)
    if kind not in _FILE_KINDS or len(sizes) != len(links):
        raise ValueError("it is a folder, or its sizes are not those of its parts")
    node = FileNode(data, tuple(zip(links, sizes, strict=True)))
    if told is not None and told != node.size:
        raise ValueError("its size is not the sum of its parts")
    return node


def _read_file(payload: bytes) -> tuple[int, int | None, bytes, list[int]]:
    """Read what UnixFS says of a node: kind, size of all, bytes of its own, sizes of its parts."""
    kind, told, data = -1, None, b""
    sizes: list[int] = []
    for number, value in _members(payload):
        match number, value:
            case 1, int():
                kind = value
            case 2, bytes():
                data = value
            case 3, int():
                told = value
            case 4, _:  # packed, as newer writers of protobuf have it, or one by one
                sizes += _varints(value) if isinstance(value, bytes) else [value]
    return kind, told, data, sizes


def _link(raw: bytes) -> ContentId:
    for number, value in _members(raw):
        if number == 1 and isinstance(value, bytes):
            return ContentId.read(value)
    raise ValueError("a part has no address")


def _members(raw: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the numbered members of a protobuf message; only whole numbers and bytes are known."""
    at = 0
    while at < len(raw):
        key, at = _varint(raw, at)
        value, at = _varint(raw, at)
        if key & 7 == _VARINT:
            yield key >> 3, value
        elif key & 7 == _BYTES:
            if at + value > len(raw):
                raise ValueError("it breaks off")
            yield key >> 3, raw[at : at + value]
            at += value
        else:
            raise ValueError("it has members of another kind")


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 64:
        byte = raw[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
    raise ValueError("a number is too long")


def _varints(raw: bytes) -> list[int]:
    found, at = [], 0
    while at < len(raw):
        value, at = _varint(raw, at)
        found.append(value)
    return found
