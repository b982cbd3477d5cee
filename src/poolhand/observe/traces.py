"""Traces of what was not to be expected, in files (``trace`` makes them).

One fault that comes back for ever must not fill a disk.
"""

from __future__ import annotations

import os
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
MOST_LINE: Final = 2_000
"""Characters of one line: an exception may carry a whole document."""
MOST_WORDS: Final = 400
"""Characters of an exception's own words, where they stand in a status."""
SUFFIX: Final = ".trace"

log = structlog.get_logger()


def words_of(fault: BaseException) -> str:
    """Return what an exception says, fit for a person, in one line."""
    try:
        said = str(fault)
    except Exception:  # noqa: BLE001 - an exception that cannot even be told
        said = "it cannot be told"
    if isinstance(fault, PoolhandError) and not isinstance(fault, Bug):
        return shown(said, MOST_WORDS)
    return shown(f"a fault of Poolhand's own, {type(fault).__name__}: {said}", MOST_WORDS)


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
        lines = [f"{name}: {shown(str(value), MOST_LINE)}" for name, value in head.items()]
        try:
            return self._put(what, now, "\n".join([*lines, "", text]))
        except OSError as fault:
            log.warning("trace_not_written", folder=str(self._folder), cause=str(fault))
            return None

    def _put(self, what: str, now: datetime, text: str) -> Path:
        assert self._folder is not None
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._make_room(self._folder)
        name = f"{now:%Y%m%dT%H%M%S}-{os.getpid()}-{next(self._numbers):04}-{what}{SUFFIX}"
        path = self._folder / name
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    @staticmethod
    def _make_room(folder: Path) -> None:
        kept = sorted(folder.glob(f"*{SUFFIX}"))
        for path in kept[: max(0, len(kept) - MOST_FILES + 1)]:
            path.unlink(missing_ok=True)
