"""pip, as it is installed beside us, downloads wheels: told to build nothing, watched, bounded.

What it prints came from an index: it is shown to a person made fit for that, and told apart by
words of pip's own.

Source: pip 26, "pip download"; its messages in ``resolution`` and ``operations/prepare``.
"""

from __future__ import annotations

import asyncio
import re
import resource
import sys
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from poolhand.appimage.wheels import MissingWheel, TargetPython
from poolhand.domain.errors import Refused, Unavailable
from poolhand.domain.text import shown

MOST_WHEELS_BYTES: Final = 8 * 1024**3
"""Of all wheels of one image."""
LARGEST_WHEEL: Final = 4 * 1024**3
"""Bytes of one file that pip may write."""
LONGEST_WHEELS_WAIT: Final = 3600.0
"""Seconds for all wheels of one image."""
_LAST_LINES: Final = 60
_LONGEST_LINE: Final = 64 * 1024
_FLAGS: Final = (
    "--only-binary=:all:", "--implementation=cp", "--no-input", "--disable-pip-version-check",
    "--progress-bar=off", "--no-color",
)  # fmt: skip
_DOWNLOADING: Final = re.compile(r"\s*(?:Downloading|Using cached) (\S+\.whl.*)")
_ANNOUNCED: Final = re.compile(r"\((\d{1,6}(?:\.\d{1,3})?) (bytes|kB|MB|GB)\)")
_UNITS: Final = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9}
_NO_MATCH: Final = re.compile(r"No matching distribution found for (.+)")
_UNREACHED: Final = re.compile(
    r"Max retries exceeded|Failed to establish a new connection|Retrying \(|Connection (?:refused|"
    r"reset)|Temporary failure in name resolution|Read timed out|ReadTimeoutError|SSLError"
)
_CONFLICT: Final = re.compile(r"ResolutionImpossible|conflicting dependencies")
_HASHES: Final = re.compile(r"DO NOT MATCH THE HASHES|Hashes are required")
_NO_PIP: Final = "No module named pip"
_NO_ROOM: Final = "No space left on device"


class NoPip(Refused):
    """pip is not installed beside us."""

    def __init__(self) -> None:
        super().__init__(
            "packages are found by pip, which this Python has not: install it "
            f"({sys.executable} -m ensurepip), or leave the requirements out"
        )


class IndexDown(Unavailable):
    """The index of packages does not answer."""


class PackagesTooLarge(Refused):
    """The packages of an image are more than any worker pulls."""

    def __init__(self, target: TargetPython) -> None:
        super().__init__(
            f"the packages for {target} have over 8 GiB, and workers pull no larger image: "
            "require fewer, or smaller ones"
        )


class PipDownload:
    """Implements ``wheels.WheelSource``.

    Args:
        told: Of each wheel, in a line.
        python: The interpreter that has pip.
    """

    def __init__(self, told: Callable[[str], None], python: str = sys.executable) -> None:
        self._told, self._python = told, python

    async def fetch(
        self, lines: Sequence[str], options: Sequence[str], target: TargetPython, folder: Path
    ) -> None:
        """Implement ``WheelSource.fetch``; raises NoPip, too."""
        asked = folder.with_suffix(".txt")
        await asyncio.to_thread(
            asked.write_text, "\n".join((*options, *lines)) + "\n", encoding="utf-8"
        )
        platforms = [f"--platform={each}" for each in target.wheel_platforms]
        process = await asyncio.create_subprocess_exec(
            self._python, "-m", "pip", "download", *_FLAGS, *platforms,
            f"--python-version={target.version}", f"--dest={folder}", "-r", str(asked),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            limit=_LONGEST_LINE,
        )  # fmt: skip
        try:
            _bound(process.pid)
            async with asyncio.timeout(LONGEST_WHEELS_WAIT):
                last = await self._follow(process, target)
                code = await process.wait()
        except TimeoutError as fault:
            raise IndexDown(
                "the packages were not there after an hour: try again later, or name an index "
                "that is nearer"
            ) from fault
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if code:
            raise fault_of(last, target)
        if await asyncio.to_thread(_size, folder) > MOST_WHEELS_BYTES:
            raise PackagesTooLarge(target)

    async def _follow(self, process: asyncio.subprocess.Process, target: TargetPython) -> list[str]:
        """Read what pip prints until it ends; returns its last lines."""
        assert process.stdout is not None, "it was asked for"
        last: deque[str] = deque(maxlen=_LAST_LINES)
        taken = 0.0
        while raw := await _line(process.stdout):
            line = raw.decode(errors="replace").rstrip()
            last.append(line)
            found = _DOWNLOADING.fullmatch(line)
            if found:
                self._told(f"package {shown(found[1], 120)}")
                taken += _announced(line)
                if taken > MOST_WHEELS_BYTES:
                    raise PackagesTooLarge(target)
        return list(last)


def _bound(pid: int) -> None:
    """Bound what one file of a process may have, where the kernel can (Linux)."""
    if hasattr(resource, "prlimit"):
        with suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (LARGEST_WHEEL, LARGEST_WHEEL))


def _announced(line: str) -> float:
    """Return the bytes that pip says it downloads, which it prints after the name."""
    found = _ANNOUNCED.search(line)
    return float(found[1]) * _UNITS[found[2]] if found else 0.0


def _size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.iterdir())


async def _line(stream: asyncio.StreamReader) -> bytes:
    """Return the next line; of one that has no end, its first part."""
    try:
        return await stream.readuntil()
    except asyncio.IncompleteReadError as fault:
        return fault.partial
    except asyncio.LimitOverrunError as fault:
        return await stream.readexactly(fault.consumed)


def fault_of(lines: Sequence[str], target: TargetPython) -> NoPip | IndexDown | MissingWheel:
    """Return why pip failed, by the last lines that it printed."""
    text = "\n".join(lines)
    if _NO_PIP in text:
        return NoPip()
    if _NO_ROOM in text:
        return IndexDown("no room is left on this machine's disk for the packages: free some")
    if _UNREACHED.search(text):
        return IndexDown(
            "the index of packages does not answer: see that this machine reaches it (pip config "
            "list names it), then try again"
        )
    return MissingWheel(_unmet(text, _errors(lines), target))


def _unmet(text: str, errors: str, target: TargetPython) -> str:
    """Say why requirements are not met, and what to do."""
    if _HASHES.search(text):
        return (
            f"hashes of the requirements do not fit what the index has for {target} "
            f"({errors}): write every requirement with the hash of its wheel for it"
        )
    if _CONFLICT.search(text):
        return f"the requirements contradict one another ({errors}): loosen one of them"
    missing = _NO_MATCH.search(text)
    if missing:
        return (
            f"the index has no wheel of '{shown(missing[1], 80)}' for {target}, and sources are "
            "not built: take a version that has one, or another Python (--python), or build the "
            "wheel for it (pip wheel …) and name its folder by a line '--find-links FOLDER' of "
            "the requirements file"
        )
    return f"pip did not find the packages for {target} ({errors}): correct the requirements"


def _errors(lines: Sequence[str]) -> str:
    """Return what pip calls an error, in one short line."""
    told = [each.removeprefix("ERROR: ") for each in lines if each.startswith("ERROR: ")]
    return shown("; ".join(told or lines[-1:]), 300)
