"""Paint a fractal: an iExec app in one file, without any library.

Writes ``picture.png`` and ``computed.json`` to ``IEXEC_OUT``. The same arguments give the same
bytes on every worker: only exactly rounded arithmetic is used (no ``math.log``, no ``math.cos``,
whose last bit depends on the processor).
"""

import argparse
import json
import os
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import frexp
from pathlib import Path

ESCAPE = 256.0
"""Squared distance from which a point never comes back; large, for smooth colours."""
STOPS = (
    ((0, 7, 100), (32, 107, 203), (237, 255, 255), (255, 170, 0), (90, 20, 10)),
    ((12, 5, 40), (120, 20, 130), (240, 80, 90), (255, 220, 130), (40, 90, 140)),
    ((4, 30, 32), (10, 120, 110), (190, 240, 190), (250, 240, 150), (150, 60, 40)),
    ((15, 15, 30), (60, 80, 160), (200, 210, 255), (255, 190, 220), (120, 30, 90)),
)
"""Colours of each palette, which is a circle: the last fades into the first."""
SHADES = 1024
DENSITY = 400
"""Shades from n steps to 2 n: where steps crowd together, colours change no faster."""
STRIDE = 6
"""Points are looked at every sixth step: from a distance of 16, none overflows in between."""
JULIA = (
    *((-0.8, 0.156), (-0.4, 0.6), (0.285, 0.01), (-0.75, 0.11), (-0.835, -0.2321)),
    *((-0.7269, 0.1889), (-0.162, 1.04), (0.355, 0.355)),
)
"""Constants whose Julia sets are worth seeing; ``--seed`` chooses among them."""
VIEWS = {
    "mandelbrot": (-0.77568, 0.13646, 900.0),
    "julia": (0.0, 0.0, 1.5),
}
"""Centre and zoom where none are given: two seahorses, and the whole set."""


def main() -> int:
    """Run the app; returns the exit code."""
    options = arguments().parse_args()
    try:
        picture = png(options.width, options.height, rows(options))
        out = Path(os.environ.get("IEXEC_OUT", "/iexec_out"))
        (out / "picture.png").write_bytes(picture)
        computed = {"deterministic-output-path": str(out / "picture.png")}
        (out / "computed.json").write_text(json.dumps(computed), encoding="utf-8")
    except OSError as fault:
        print(f"fractal: {fault}", file=sys.stderr)
        return 1
    print(f"painted {options.width} x {options.height} pixels, {len(picture)} bytes")
    return 0


def arguments() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(prog="fractal", description=__doc__.split("\n")[0])
    parser.add_argument("--kind", choices=sorted(VIEWS), help="by seed where not given")
    parser.add_argument("--seed", type=_number(0, 2**63), default=0, help="kind and colours")
    parser.add_argument("--width", type=_number(1, 4096), default=480)
    parser.add_argument("--height", type=_number(1, 4096), default=320)
    parser.add_argument("--iterations", type=_number(1, 100_000), default=300)
    parser.add_argument("--centre", type=_point, metavar="X,Y")
    parser.add_argument("--zoom", type=_zoom)
    return parser


def rows(options: argparse.Namespace) -> Iterator[bytes]:
    """Yield the picture row by row, three bytes a pixel."""
    kind = options.kind or ("mandelbrot", "julia")[options.seed % 2]
    x, y, zoom = VIEWS[kind]
    x, y = options.centre or (x, y)
    step = 3.0 / ((options.zoom or zoom) * min(options.width, options.height))
    palette = shades(STOPS[options.seed // 2 % len(STOPS)])
    across = [x + (column - options.width / 2 + 0.5) * step for column in range(options.width)]
    constant = complex(*JULIA[options.seed // 2 % len(JULIA)]) if kind == "julia" else None
    for line in range(options.height):
        height = y - (line - options.height / 2 + 0.5) * step
        points = (complex(real, height) for real in across)
        yield b"".join(colour(point, constant, options.iterations, palette) for point in points)


def colour(point: complex, constant: complex | None, most: int, palette: list[bytes]) -> bytes:
    """Return the colour of a point: black if it stays, else by how soon it leaves."""
    z, c = (0j, point) if constant is None else (point, constant)
    if constant is None and _stays(point):
        return b"\0\0\0"
    for count in range(0, most, STRIDE):
        ahead = z * z + c
        ahead = ahead * ahead + c
        ahead = ahead * ahead + c
        ahead = ahead * ahead + c
        ahead = ahead * ahead + c
        ahead = ahead * ahead + c
        if ahead.real * ahead.real + ahead.imag * ahead.imag > ESCAPE:
            return palette[int(log2(1.0 + _escape(z, c, count)) * DENSITY) % SHADES]
        z = ahead
    return b"\0\0\0"


def _escape(z: complex, c: complex, count: int) -> float:
    """Return after how many steps, fractions included, a point that leaves soon has left."""
    while True:
        z = z * z + c
        size = z.real * z.real + z.imag * z.imag
        if size > ESCAPE:
            return count + 4.0 - log2(log2(size))
        count += 1


def _stays(c: complex) -> bool:
    """Whether a point is in one of the two large bulbs, whose points all stay."""
    y2 = c.imag * c.imag
    q = (c.real - 0.25) * (c.real - 0.25) + y2
    return q * (q + c.real - 0.25) <= 0.25 * y2 or (c.real + 1) * (c.real + 1) + y2 <= 0.0625


def log2(value: float) -> float:
    """Return the binary logarithm to about four digits, by exactly rounded operations alone."""
    mantissa, exponent = frexp(value)
    t = (mantissa - 0.70710678) / (mantissa + 0.70710678)
    s = t * t
    return exponent - 0.5 + t * (2.88539008 + s * (0.96179669 + s * (0.57707802 + s * 0.41219859)))


def shades(stops: Sequence[tuple[int, ...]]) -> list[bytes]:
    """Return a circle of colours that passes through the stops."""
    found = []
    for number in range(SHADES):
        place = number * len(stops)
        at, part = place // SHADES, place % SHADES
        ends = zip(stops[at], stops[(at + 1) % len(stops)], strict=True)
        found.append(bytes((a * (SHADES - part) + b * part) // SHADES for a, b in ends))
    return found


def png(width: int, height: int, lines: Iterable[bytes]) -> bytes:
    """Pack rows of RGB pixels into a PNG file."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + line for line in lines), 6)
    parts = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, content) for name, content in parts)


def _chunk(name: bytes, content: bytes) -> bytes:
    check = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)


def _number(least: int, most: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        value = int(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"give a number between {least} and {most}")
        return value

    return number


def _point(text: str) -> tuple[float, float]:
    x, _, y = text.partition(",")
    return float(x), float(y)


def _zoom(text: str) -> float:
    value = float(text)
    if not 1e-3 <= value <= 1e12:
        raise argparse.ArgumentTypeError("give a zoom between 0.001 and 1e12")
    return value


if __name__ == "__main__":
    sys.exit(main())
