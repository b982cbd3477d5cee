"""What a container prints, as its node has it written: told so far, and as it grows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

from poolhand.containers.live import LineSplitter
from poolhand.containers.slurm.jobs import LOOK
from poolhand.containers.slurm.run_folder import STDOUT, Attempt, frames
from poolhand.ports.runtime import LogLine


async def follow(attempt: Attempt, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
    """Yield the last ``tail`` lines; with ``live`` those that come, until the container ends."""
    lines, splitter, place = await asyncio.to_thread(_so_far, attempt, tail)
    for line in lines:
        yield line
    is_over = not live
    while not is_over:
        is_over = await asyncio.to_thread(lambda: attempt.is_over)
        pieces, place = await asyncio.to_thread(_since, attempt, place)
        for stream, data in pieces:
            for line in splitter.add(data, is_error=stream != STDOUT):
                yield line
        if not is_over:
            await asyncio.sleep(LOOK)
    for line in splitter.end() if tail or live else ():
        yield line


def _so_far(attempt: Attempt, tail: int) -> tuple[list[LogLine], LineSplitter, tuple[int, int]]:
    """Return the last lines, what waits for the end of its line, and where to go on."""
    splitter, lines, place = LineSplitter(), list[LogLine](), (0, 0)
    for name in ("log.1", "log"):
        try:
            with (attempt.folder / name).open("rb") as file:
                for stream, data in frames(file):
                    lines += splitter.add(data, is_error=stream != STDOUT)
                if name == "log":
                    place = (os.fstat(file.fileno()).st_ino, file.tell())
        except FileNotFoundError:
            continue
    return (lines[-tail:] if tail else []), splitter, place


def _since(
    attempt: Attempt, place: tuple[int, int]
) -> tuple[list[tuple[int, bytes]], tuple[int, int]]:
    """Return what was printed behind a place, and the place behind that."""
    pieces = list[tuple[int, bytes]]()
    inode, position = place
    for name in ("log.1", "log"):
        try:
            with (attempt.folder / name).open("rb") as file:
                here = os.fstat(file.fileno()).st_ino
                if name == "log.1" and here != inode:
                    continue
                file.seek(position if here == inode else 0)
                pieces += frames(file)
                if name == "log":
                    inode, position = here, file.tell()
        except FileNotFoundError:
            continue
    return pieces, (inode, position)
