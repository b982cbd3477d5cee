"""What libraries say through ``logging`` (uvicorn, asyncio, websockets), told as ours is.

Left alone, Python prints their warnings and whole tracebacks raw, past every guard of the log.
"""

from __future__ import annotations

import logging

import structlog

_log = structlog.get_logger()


class LibraryHandler(logging.Handler):
    """Passes records on to the program's log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record; never raises."""
        try:
            fault = record.exc_info[1] if record.exc_info else None
            told = {"library": record.name, "cause": record.getMessage()}
            _log.log(record.levelno, "library_spoke", **told, exc_info=fault)
        except Exception:  # noqa: BLE001 - as logging has it
            self.handleError(record)


def take_over(level: int) -> None:
    """Let what libraries say at ``level`` or above, warnings at least, come to our log."""
    root = logging.getLogger()
    others = [each for each in root.handlers if not isinstance(each, LibraryHandler)]
    root.handlers[:] = [*others, LibraryHandler(max(level, logging.WARNING))]
