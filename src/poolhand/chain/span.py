"""How many blocks of logs an endpoint tells of at once: learnt from what it refuses."""

from __future__ import annotations

from typing import Final

WIDEST_SPAN: Final = 1000
"""Blocks per request, as iExec's own scheduler asks."""
WIDE_ANSWERS_TO_GROW: Final = 8
"""Answers at full width before a wider range is tried; twice as many after each that was vain."""
MOST_ANSWERS: Final = 512


class Span:
    """The width of the next range.

    Attributes:
        width: Blocks.
    """

    def __init__(self) -> None:
        self.width = WIDEST_SPAN
        self._wanted, self._full, self._has_grown = WIDE_ANSWERS_TO_GROW, 0, False

    def bore(self, blocks: int) -> None:
        """Note a range that was told."""
        self._full += blocks >= self.width
        if self._full >= self._wanted and self.width < WIDEST_SPAN:
            self.width, self._full = min(self.width * 2, WIDEST_SPAN), 0
            self._has_grown = True

    def refused(self, blocks: int, times: int = 2) -> None:
        """Note a range that was too wide; the next is ``times`` smaller, and at least one block."""
        self.width, self._full = max(1, blocks // times), 0
        if self._has_grown:
            self._wanted, self._has_grown = min(self._wanted * 2, MOST_ANSWERS), False
