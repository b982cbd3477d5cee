"""ZIP archives packed by hand: names and flags as no library would write them."""

from __future__ import annotations

import struct
import zlib


def raw_zip(*entries: tuple[bytes, bytes], between: bytes = b"", flags: int = 0) -> bytearray:
    """Pack stored entries by hand, names as given."""
    body, directory = bytearray(), bytearray()
    for name, content in entries:
        crc, size, at = zlib.crc32(content), len(content), len(body)
        body += struct.pack(
            "<4s5H3L2H", b"PK\3\4", 20, flags, 0, 0, 33, crc, size, size, len(name), 0
        )
        body += name + content + between
        directory += (
            struct.pack(
                "<4s4B4HL2L5H2L",
                b"PK\1\2",
                20,
                3,
                20,
                0,
                flags,
                0,
                0,
                33,
                crc,
                size,
                size,
                len(name),
                0,
                0,
                0,
                0,
                0,
                at,
            )
            + name
        )
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0
    )
    return body + directory + end
