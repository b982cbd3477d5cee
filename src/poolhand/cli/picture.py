"""A PNG picture in a terminal: two pixels per character, upper and lower half block.

Reads what the example app writes: 8 bits per channel, RGB, not interlaced.
Source: Portable Network Graphics, second edition, §7 (filters) and §10 (compression).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich.color import Color
from rich.style import Style
from rich.text import Text

MAGIC: Final = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS: Final = 4_000_000
_RGB: Final = 2


class NoPicture(ValueError):
    """The file is no picture that is shown here."""


def draw(path: Path, columns: int) -> Text:
    """Return a picture scaled to a width in characters.

    Raises:
        NoPicture: Not an RGB picture of 8 bits, or too large.
    """
    width, height, rows = _pixels(path.read_bytes())
    columns = min(columns, width)
    lines = max(2, round(height * columns / width)) & ~1
    found = Text()
    for line in range(0, lines, 2):
        above, below = (rows[(line + half) * height // lines] for half in (0, 1))
        for column in range(columns):
            at = 3 * (column * width // columns)
            found.append("▀", Style(color=_colour(above, at), bgcolor=_colour(below, at)))
        found.append("\n")
    return found


def _colour(row: bytearray, at: int) -> Color:
    return Color.from_rgb(row[at], row[at + 1], row[at + 2])


def _pixels(raw: bytes) -> tuple[int, int, list[bytearray]]:
    chunks = dict(_chunks(raw))
    try:
        width, height, depth, kind, _, _, laced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
        if (depth, kind, laced) != (8, _RGB, 0) or not 0 < width * height <= MOST_PIXELS:
            raise NoPicture("not an RGB picture of 8 bits")
        stream = zlib.decompressobj().decompress(chunks[b"IDAT"], (3 * width + 1) * height)
    except (KeyError, struct.error, zlib.error) as fault:
        raise NoPicture(str(fault)) from fault
    if len(stream) != (3 * width + 1) * height:
        raise NoPicture("the picture is cut off")
    return width, height, _unfiltered(stream, 3 * width, height)


def _chunks(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield chunks by name; pieces of one stream are joined."""
    if not raw.startswith(MAGIC):
        raise NoPicture("not a PNG file")
    at, data = len(MAGIC), b""
    while at + 8 <= len(raw):
        size, name = struct.unpack_from(">I4s", raw, at)
        body = raw[at + 8 : at + 8 + size]
        data += body if name == b"IDAT" else b""
        yield name, data if name == b"IDAT" else body
        at += 12 + size


def _unfiltered(stream: bytes, stride: int, height: int) -> list[bytearray]:
    rows: list[bytearray] = []
    before = bytearray(stride)
    for number in range(height):
        start = number * (stride + 1)
        row = bytearray(stream[start + 1 : start + 1 + stride])
        _unfilter(stream[start], row, before)
        rows.append(row)
        before = row
    return rows


def _unfilter(kind: int, row: bytearray, above: bytearray) -> None:
    for at in range(len(row)):
        left = row[at - 3] if at >= 3 else 0
        corner = above[at - 3] if at >= 3 else 0
        guess = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))
        if kind >= len(guess):
            raise NoPicture(f"filter {kind} is unknown")
        row[at] = (row[at] + guess[kind]) & 0xFF


def _paeth(left: int, above: int, corner: int) -> int:
    guess = left + above - corner
    nearest = sorted((left, above, corner), key=lambda value: abs(guess - value))
    return nearest[0]
