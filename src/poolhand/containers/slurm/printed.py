"""What a container prints, as its node has it written: told so far, and as it grows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from poolhand.containers.live import LineSplitter
from poolhand.containers.slurm.jobs import PAUSE_BETWEEN_JOB_LOOKS
from poolhand.containers.slurm.run_folder import STDOUT, JobAttempt, RunFolder, frames
from poolhand.ports.runtime import LogLine


async def follow(run: RunFolder, tail: int, *, live: bool) -> AsyncIterator[LogLine]:
    """Yield the last ``tail`` lines; with ``live`` those that come, until the container ends.

    A run that is put to another node is followed there: its app begins anew, and so do its lines.
    """
    attempt = await asyncio.to_thread(run.attempt)
    if attempt is None:
        return
    reader = Reader(attempt)
    lines = await asyncio.to_thread(reader.more)
    if not live:
        lines += reader.rest()
    for line in lines[-tail:] if tail else ():
        yield line
    while live:
        following, lines = await asyncio.to_thread(_go_on, run, reader)
        for line in lines:
            yield line
        if following is None:
            return
        if following is reader:
            await asyncio.sleep(PAUSE_BETWEEN_JOB_LOOKS)
        reader = following


def _go_on(run: RunFolder, reader: Reader) -> tuple[Reader | None, list[LogLine]]:
    """Return who reads on (None: all is told) and what came."""
    has_ended = reader.attempt.has_ended  # before the newest attempt is looked for: that is later
    newest = run.attempt()
    lines = reader.more()
    if newest is not None and newest != reader.attempt:
        return Reader(newest), lines + reader.rest()
    return (None, lines + reader.rest()) if has_ended else (reader, lines)


class Reader:
    """Reads what one attempt prints, each time on from where it was."""

    def __init__(self, attempt: JobAttempt) -> None:
        self.attempt = attempt
        self._splitter, self._inode, self._position = LineSplitter(), 0, 0

    def more(self) -> list[LogLine]:
        """Return the lines that have come."""
        lines = list[LogLine]()
        with ExitStack() as opened:
            files = self._files(opened)
            inodes = [os.fstat(file.fileno()).st_ino for file in files]
            where = inodes.index(self._inode) if self._inode in inodes else 0
            for file, inode in zip(files[where:], inodes[where:], strict=True):
                file.seek(self._position if inode == self._inode else 0)
                for stream, data in frames(file):
                    lines += self._splitter.add(data, is_error=stream != STDOUT)
                self._inode, self._position = inode, file.tell()
        return lines

    def rest(self) -> list[LogLine]:
        """Return what was printed without a line's end."""
        return list(self._splitter.end())

    def _files(self, opened: ExitStack) -> list[IO[bytes]]:
        """Open the two files of a log, the older first; the newer before it, lest one be missed."""
        files = [
            file
            for name in ("log", "log.1")
            if (file := _opened(self.attempt.folder / name, opened)) is not None
        ]
        if len(files) == 2 and os.path.sameopenfile(files[0].fileno(), files[1].fileno()):
            files.pop()
        return files[::-1]


def _opened(path: Path, opened: ExitStack) -> IO[bytes] | None:
    try:
        return opened.enter_context(path.open("rb"))
    except FileNotFoundError:
        return None
