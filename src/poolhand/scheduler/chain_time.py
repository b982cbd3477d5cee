"""The chain's newest block as the scheduler has seen it, and so the time by which it decides."""

from __future__ import annotations

from poolhand.domain.onchain import Head
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.ports.clock import Clock


class ChainTime:
    """Set by the chain feed, read by everybody else.

    Args:
        clock: Tells the time until a block was seen.

    Attributes:
        head: The newest block; None before one was seen.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.head: Head | None = None

    def seen(self, head: Head) -> None:
        """Note a new block."""
        self.head = head

    def now(self) -> UnixSeconds:
        """Return the time of the newest block."""
        return self.head.timestamp if self.head else self._clock.now()

    def block(self) -> BlockNumber:
        """Return the number of the newest block; 0 before one was seen."""
        return self.head.number if self.head else BlockNumber(0)
