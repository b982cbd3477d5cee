"""What libraries log: an event of ours each, without a traceback, once a minute."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import structlog

from poolhand.observe.complaint import MOST_CAUSES, QUIET

log = structlog.get_logger()
_NAMES: Final = ("asyncio", "uvicorn.error", "websockets")
"""Libraries whose faults are caused by peers, as often as these like."""


class LibraryFaults(logging.Handler):
    """Writes a library's warnings as events; each at most once a minute, and few different ones.

    Args:
        clock: Seconds since whenever, never turned back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record down, or know that it was written a moment ago."""
        now, told = self._clock(), record.getMessage().split("\n", 1)[0]
        fault = record.exc_info[1] if record.exc_info else None
        self._told = {each: at for each, at in self._told.items() if now < at + QUIET}
        key = f"{record.name} {told} {type(fault).__name__}"
        if key in self._told or len(self._told) >= MOST_CAUSES:
            return
        self._told[key] = now
        cause = None if fault is None else f"{type(fault).__name__}: {fault}"
        log.warning("library_told", library=record.name, told=told, cause=cause)


def hear_libraries() -> None:
    """Let libraries' warnings come as events from now on; repeatable."""
    for name in _NAMES:
        library = logging.getLogger(name)
        library.handlers = [
            each for each in library.handlers if not isinstance(each, LibraryFaults)
        ]
        library.addHandler(LibraryFaults())
        library.propagate = False
