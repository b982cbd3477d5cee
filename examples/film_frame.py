"""Paint one frame of a film by ray tracing: an iExec app in one file, without any library.

Arguments: ``WIDTHxHEIGHT FRAMES``; the number of its task says which of the frames it paints.
"""

import json
import math
import os
import struct
import sys
import zlib
from pathlib import Path

LIGHT = (0.45, 0.8, -0.4)  # direction, of length 1
COLOURS = ((0.95, 0.35, 0.25), (0.25, 0.7, 0.95), (0.95, 0.8, 0.25))
MIRRORED = 0.3


def add(a, b, times=1.0):
    return (a[0] + b[0] * times, a[1] + b[1] * times, a[2] + b[2] * times)


def dot(a, b):
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]


def unit(a):
    return add((0, 0, 0), a, 1 / math.sqrt(dot(a, a)))


def balls(turn):
    """Return centre, radius and colour of each ball, a share of a turn after the beginning."""
    for number, colour in enumerate(COLOURS):
        angle = 2 * math.pi * (turn + number / 3)
        height = 0.7 + 0.6 * abs(math.sin(angle * 1.5))
        yield (1.3 * math.cos(angle), height, 1.3 * math.sin(angle)), 0.7, colour


def hit(origin, ray, scene):
    """Return distance, place, normal and colour of what a ray meets first, or None."""
    found = None
    for centre, radius, colour in scene:
        to = add(centre, origin, -1)
        along = dot(to, ray)
        inside = radius * radius - dot(to, to) + along * along
        distance = along - math.sqrt(inside) if inside > 0 else 0
        if distance > 1e-4 and (found is None or distance < found[0]):
            place = add(origin, ray, distance)
            found = distance, place, unit(add(place, centre, -1)), colour
    if found is None and ray[1] < -1e-4:
        distance = -origin[1] / ray[1]
        place = add(origin, ray, distance)
        light = 0.85 if (math.floor(place[0]) + math.floor(place[2])) % 2 else 0.3
        found = distance, place, (0.0, 1.0, 0.0), (light, light, light)
    return found


def seen(origin, ray, scene, depth=2):
    """Return the colour that comes along a ray."""
    met = hit(origin, ray, scene)
    sky = (0.55, 0.7, 0.9) if ray[1] < 0 else add((0.55, 0.7, 0.9), (-0.35, -0.3, -0.1), ray[1])
    if met is None:
        return sky
    distance, place, normal, colour = met
    shadowed = hit(place, LIGHT, scene) is not None
    lit = 0.25 + (0 if shadowed else 0.75 * max(0.0, dot(normal, LIGHT)))
    colour = tuple(each * lit for each in colour)
    if depth:
        mirrored = seen(place, unit(add(ray, normal, -2 * dot(ray, normal))), scene, depth - 1)
        colour = add(tuple(each * (1 - MIRRORED) for each in colour), mirrored, MIRRORED)
    haze = min(1.0, (distance / 25) ** 2)
    return add(tuple(each * (1 - haze) for each in colour), sky, haze)


def painted(width, height, turn):
    """Return a frame as rows of bytes, three a pixel."""
    eye, scene = (0.0, 2.2, -5.5), list(balls(turn))
    for row in range(height):
        rays = (unit((x / height - 2 / 3, 0.25 - row / height, 1.0)) for x in range(width))
        colours = (channel for ray in rays for channel in seen(eye, ray, scene))
        yield bytes(min(255, int(255 * max(0.0, each) ** 0.85)) for each in colours)


def png(width, height, rows):
    """Return a picture as a PNG."""

    def chunk(name, data):
        size, check = len(data), zlib.crc32(name + data)
        return struct.pack(">I", size) + name + data + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


if __name__ == "__main__":
    size, frames = sys.argv[1:]
    width, height = map(int, size.split("x"))
    number, out = int(os.environ["IEXEC_TASK_INDEX"]), Path(os.environ["IEXEC_OUT"])
    picture = out / "frame.png"
    picture.write_bytes(png(width, height, painted(width, height, number / int(frames))))
    told = {"deterministic-output-path": str(picture)}
    (out / "computed.json").write_text(json.dumps(told))
    print(f"painted frame {number} of {frames}")
