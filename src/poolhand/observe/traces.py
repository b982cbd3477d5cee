"""What was not to be expected, told: in words for a status, as a trace for a log or a file.

A trace has a few frames, no values of variables and no endless text: a renderer that shows local
variables took five seconds of the event loop for one fault, and put signatures and authorizations
into the log. Nor is a URL's name and password told: words go to peers, too. Files are few and
bounded: one fault that comes back for ever must not fill a disk.
"""

from __future__ import annotations

import os
import re
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Final

import structlog

from poolhand import __version__
from poolhand.domain.errors import Bug, PoolhandError
from poolhand.domain.text import shown

MOST_FILES: Final = 64
"""In one folder; the oldest go."""
MOST_TRACE_LINE: Final = 2_000
"""Characters of one line: an exception may carry a whole document."""
MOST_FAULT_WORDS: Final = 400
"""Characters of an exception's own words, where they stand in a status."""
TRACE_SUFFIX: Final = ".trace"
_LOGIN: Final = re.compile(r"://[^/@\s]+@")
"""A name and password inside of a URL."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much is told.

    Attributes:
        frames: Of one fault, the innermost.
        faults: Of a chain of causes, or of a group.
        words: Characters of what a fault says.
        most: Characters in all.
    """

    frames: int
    faults: int
    words: int
    most: int


IN_LOG: Final = Bounds(frames=12, faults=6, words=300, most=16_000)
IN_FILE: Final = Bounds(frames=40, faults=12, words=2_000, most=64_000)


def trace_of(fault: BaseException, bounds: Bounds = IN_LOG) -> str:
    """Tell a fault and its causes, the outermost first; bounded, and fit for a terminal."""
    told: list[str] = []
    waiting: list[tuple[str, BaseException]] = [("", fault)]
    seen: set[int] = set()
    while waiting and len(told) < bounds.faults:
        relation, each = waiting.pop(0)
        if id(each) not in seen:
            seen.add(id(each))
            told.append(relation + _one(each, bounds))
            waiting += _behind(each, bounds.faults)
    return shown("\n".join(told), bounds.most, lines=True)


def _behind(fault: BaseException, most: int) -> list[tuple[str, BaseException]]:
    """Return what a fault comes from, each with how."""
    found = []
    if isinstance(fault, BaseExceptionGroup):
        found += [("one of them: ", each) for each in fault.exceptions[:most]]
    if fault.__cause__ is not None:
        found.append(("caused by: ", fault.__cause__))
    elif fault.__context__ is not None and not fault.__suppress_context__:
        found.append(("while handling: ", fault.__context__))
    return found


def _one(fault: BaseException, bounds: Bounds) -> str:
    frames = traceback.extract_tb(fault.__traceback__, limit=-bounds.frames)
    lines = [f"  {each.filename}:{each.lineno} in {each.name}: {each.line}" for each in frames]
    said = shown(_said(fault, bounds.words), bounds.words)
    return "\n".join([f"{type(fault).__name__}: {said}", *lines])


def words_of(fault: BaseException) -> str:
    """Return what an exception says, fit for a person, in one line."""
    said = _said(fault, MOST_FAULT_WORDS)
    if isinstance(fault, PoolhandError) and not isinstance(fault, Bug):
        return shown(said, MOST_FAULT_WORDS)
    return shown(f"a fault of Poolhand's own, {type(fault).__name__}: {said}", MOST_FAULT_WORDS)


def without_logins(text: str) -> str:
    """Mask names and passwords inside of URLs."""
    return _LOGIN.sub("://***@", text)


def _said(fault: BaseException, most: int) -> str:
    """Return what an exception says, without logins; cut far behind ``most`` characters."""
    try:
        return without_logins(str(fault)[: 2 * most])
    except Exception as other:  # noqa: BLE001 - a fault that cannot even say what it is
        return f"(its text fails with {type(other).__name__})"


class Traces:
    """Trace files in one folder, readable by their owner alone.

    Args:
        folder: Made when first needed; None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder, self._numbers = folder, count(1)

    def write(self, what: str, text: str, **facts: object) -> Path | None:
        """Write a file; None where none is kept, or the disk does not take it.

        Args:
            what: Part of the file's name: letters and hyphens.
            text: What stands in it.
            facts: Stand above it.
        """
        if self._folder is None:
            return None
        now = datetime.now(UTC)
        head = {"poolhand": __version__, "at": now.isoformat(timespec="seconds"), **facts}
        lines = [f"{name}: {shown(str(value), MOST_TRACE_LINE)}" for name, value in head.items()]
        try:
            return self._put(what, now, "\n".join([*lines, "", text]))
        except OSError as fault:
            log.warning("trace_not_written", folder=str(self._folder), cause=str(fault))
            return None

    def _put(self, what: str, now: datetime, text: str) -> Path:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_room(self._folder)
        name = f"{now:%Y%m%dT%H%M%S}-{os.getpid()}-{next(self._numbers):04}-{what}{TRACE_SUFFIX}"
        path = self._folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    @staticmethod
    def _make_room(folder: Path) -> None:
        kept = sorted(folder.glob(f"*{TRACE_SUFFIX}"))
        for path in kept[: max(0, len(kept) - MOST_FILES + 1)]:
            path.unlink(missing_ok=True)
