"""Where log lines go: one that cannot be written is counted and ends nobody's work.

The disk that is full, or the reader that has gone, is the log's trouble alone: who reveals a result
or writes a journal must not fail for it.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TextIO


class LogLines:
    """A stream to log into that never raises.

    Args:
        stream: Where to, asked anew for every line: tests and terminals redirect it.

    Attributes:
        lost: Lines that could not be written since the last one that was.
    """

    def __init__(self, stream: Callable[[], TextIO]) -> None:
        self._stream = stream
        self._lines, self._failed = 0, False
        self.lost = 0

    def write(self, text: str) -> int:
        """Take a piece of a line; returns its characters, whether or not it could be written."""
        self._lines += text.count("\n")
        self._try(lambda: self._stream().write(text))
        return len(text)

    def flush(self) -> None:
        """Hand on the lines since the last time, or count them as lost."""
        self._try(lambda: self._stream().flush())
        self.lost = self.lost + self._lines if self._failed else 0
        self._lines, self._failed = 0, False

    def tell_lost(
        self, _logger: Any, _name: str, event: MutableMapping[str, Any]
    ) -> MutableMapping[str, Any]:
        """Let an event say how many before it were lost (a processor of structlog)."""
        return {**event, "lost_lines": self.lost} if self.lost else event

    def _try(self, act: Callable[[], object]) -> None:
        try:
            act()
        except (OSError, ValueError):  # no room, nobody who reads, or closed
            self._failed = True
