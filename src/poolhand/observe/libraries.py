"""What libraries say through ``logging`` (uvicorn, asyncio, websockets), told as ours is.

Left alone, Python prints their warnings and whole tracebacks raw, past every guard of the log; and
what a peer causes is said as often as the peer likes.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import structlog

from poolhand.observe.outage_log import MOST_OUTAGE_CAUSES, SAME_CAUSE_QUIET

OWN_LOGGERS: Final = "poolhand"
"""First word of the names of loggers that our own log writes to, if it writes to any."""
_log = structlog.get_logger()


class LibraryHandler(logging.Handler):
    """Passes records on to the program's log: each once a minute, and few different ones.

    What the operating system refused (no descriptor is left, a connection was cut) comes without a
    traceback.

    Args:
        level: Least level that is passed on.
        clock: Seconds since whenever, never turned back.
    """

    def __init__(self, level: int, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(level)
        self._clock = clock
        self._told: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record, unless it was told a moment ago; never raises.

        What our own log writes there, where whoever embeds us has it so, is no library's: told
        again it would come here again.
        """
        if record.name.partition(".")[0] == OWN_LOGGERS:
            return
        try:
            fault = record.exc_info[1] if record.exc_info else None
            said = record.getMessage().split("\n", 1)[0]
            if self._is_news(f"{record.name} {said} {type(fault).__name__}"):
                self._tell(record, said, fault)
        except Exception:  # noqa: BLE001 - as logging has it
            self.handleError(record)

    def _is_news(self, key: str) -> bool:
        now = self._clock()
        self._told = {each: at for each, at in self._told.items() if now < at + SAME_CAUSE_QUIET}
        if key in self._told or len(self._told) >= MOST_OUTAGE_CAUSES:
            return False
        self._told[key] = now
        return True

    @staticmethod
    def _tell(record: logging.LogRecord, said: str, fault: BaseException | None) -> None:
        cause = said if fault is None else f"{said}: {type(fault).__name__}: {fault}"
        trace = None if isinstance(fault, OSError) else fault
        told = {"library": record.name, "cause": cause}
        _log.log(record.levelno, "library_spoke", **told, exc_info=trace)


def take_over(level: int) -> None:
    """Let what libraries say at ``level`` or above, warnings at least, come to our log."""
    root = logging.getLogger()
    others = [each for each in root.handlers if not isinstance(each, LibraryHandler)]
    root.handlers[:] = [*others, LibraryHandler(max(level, logging.WARNING))]
