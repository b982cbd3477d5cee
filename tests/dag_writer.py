"""Writes files as IPFS does, block by block: for tests that have no node, and for lies."""

from __future__ import annotations

from hashlib import sha256

from poolhand.domain.content_id import DAG_PB, RAW_LEAF, ContentId


def varint(number: int) -> bytes:
    told = b""
    while number > 0x7F:
        told += bytes([number & 0x7F | 0x80])
        number >>= 7
    return told + bytes([number])


def member(number: int, value: int | bytes) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def address(block: bytes, codec: int = DAG_PB, version: int = 0) -> ContentId:
    return ContentId(codec, sha256(block).digest(), version)


def raw_cid(content: ContentId) -> bytes:
    digest = b"\x12\x20" + content.digest
    return digest if not content.version else bytes([1, content.codec]) + digest


def node(data: bytes = b"", parts=(), *, kind: int = 2, size: int | None = None) -> bytes:
    """Write a block with bytes of its own and parts (address, bytes under it)."""
    told = len(data) + sum(each for _, each in parts) if size is None else size
    file = member(1, kind) + (member(2, data) if data else b"") + member(3, told)
    file += b"".join(member(4, each) for _, each in parts)
    links = [member(1, raw_cid(each)) + member(2, b"") + member(3, size) for each, size in parts]
    return b"".join(member(2, each) for each in links) + member(1, file)


def written(content: bytes, chunk: int, width: int, *, raw: bool = False):
    """Return the address of a file and all its blocks: ``chunk`` bytes each, ``width`` parts."""
    blocks: dict[ContentId, bytes] = {}

    def keep(block: bytes, codec: int = DAG_PB) -> ContentId:
        found = address(block, codec, version=int(raw))
        blocks[found] = block
        return found

    level = []
    for at in range(0, len(content), chunk) or [0]:
        piece = content[at : at + chunk]
        leaf = keep(piece, RAW_LEAF) if raw else keep(node(piece))
        level.append((leaf, len(piece)))
    while len(level) > 1:
        groups = [level[at : at + width] for at in range(0, len(level), width)]
        level = [(keep(node(parts=each)), sum(size for _, size in each)) for each in groups]
    return level[0][0], blocks
