"""The chain's newest block as the scheduler has seen it, and so the time by which it decides."""

from __future__ import annotations

from typing import Final

from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, Seconds, UnixSeconds
from poolhand.ports.clock import Clock

LONGEST_BLOCK_GAP: Final = Seconds(30)
"""Between two blocks, as far as it is reckoned with: a chain that stands still holds nothing up."""


class ChainTime:
    """Set by the chain feed, read by everybody else.

    Args:
        clock: Tells the time until a block was seen, and what has passed since.

    Attributes:
        head: The newest block; None before one was seen.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.head: Head | None = None
        self._seen_at = UnixSeconds(0)

    def seen(self, head: Head) -> None:
        """Note a new block."""
        if head != self.head:
            self.head, self._seen_at = head, self._clock.steady()

    def now(self) -> UnixSeconds:
        """Return the time of the newest block."""
        return self.head.timestamp if self.head else self._clock.now()

    def until_now(self) -> UnixSeconds:
        """Return the time of the newest block and the time since, at most ``LONGEST_BLOCK_GAP``.

        Nothing is decided by it, for the chain has not told it. It is when something was said: who
        is asked just before a block has not been silent for as long as that block is younger.
        """
        passed = self._clock.steady() - self._seen_at if self.head else 0
        return UnixSeconds(self.now() + max(0, min(passed, LONGEST_BLOCK_GAP)))

    def block(self) -> BlockNumber:
        """Return the number of the newest block; 0 before one was seen."""
        return self.head.number if self.head else BlockNumber(0)
