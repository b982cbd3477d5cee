"""What passes between a virtual machine and the launcher beside it: frames on one serial port.

A frame is its kind (a byte), its length (four, the highest first), and that many bytes. Whatever
comes out of the machine is the app's for all we know: what is no frame ends it. Standard library
only, for this runs in the machine, too.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

FRAME_HEAD: Final = struct.Struct(">BI")
MOST_FRAME: Final = 64 * 1024
"""Bytes that one frame out of a machine may carry."""
MOST_TASK: Final = 8 * 1024 * 1024
"""Bytes of what a machine is told to do."""


class GuestFrameKind(IntEnum):
    """What a frame carries."""

    TASK = 0
    OUT = 1
    ERR = 2
    STARTED = 3
    ENDED = 4
    FAULT = 5


class GuestFrame(NamedTuple):
    """One of them."""

    kind: GuestFrameKind
    body: bytes


class NoGuestFrame(Exception):
    """What came is none."""


def packed_frame(kind: GuestFrameKind, body: bytes = b"") -> bytes:
    """Return a frame as it is sent."""
    return FRAME_HEAD.pack(kind, len(body)) + body


class GuestFrameReader:
    """Cuts what comes into frames, and keeps no more than one that is not complete.

    Args:
        most: Bytes that a frame may carry.
    """

    def __init__(self, most: int = MOST_FRAME) -> None:
        self._most, self._open = most, bytearray()

    def add(self, data: bytes) -> Iterator[GuestFrame]:
        """Yield the frames that some bytes complete.

        Raises:
            NoGuestFrame: They are of no kind that there is, or too long.
        """
        self._open += data
        while len(self._open) >= FRAME_HEAD.size:
            number, length = FRAME_HEAD.unpack_from(self._open)
            if number not in GuestFrameKind.__members__.values() or length > self._most:
                raise NoGuestFrame(f"a frame of kind {number} with {length} bytes")
            end = FRAME_HEAD.size + length
            if len(self._open) < end:
                return
            body = bytes(self._open[FRAME_HEAD.size : end])
            del self._open[:end]
            yield GuestFrame(GuestFrameKind(number), body)
