"""Time and chance, as things a test can hold."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.units import UnixSeconds


class Clock(Protocol):
    """Wall-clock time, and time that only passes.

    People and time servers set a wall clock, back as well as forth. So ``now`` is for what others
    read, and ``steady`` for how long something has taken, or is yet to take.
    """

    def now(self) -> UnixSeconds:
        """Return whole seconds since 1970, by the clock on the wall."""

    def steady(self) -> UnixSeconds:
        """Return them as they were counted on since this program began, whatever the wall says.

        To be compared with what the same clock of the same process said, and with nothing else.
        """

    async def sleep(self, seconds: float) -> None:
        """Let at least that long pass."""


class Entropy(Protocol):
    """Unpredictable bytes."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` bytes fit for nonces and salts."""
