"""Time and chance, as things a test can hold."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.units import UnixSeconds


class Clock(Protocol):
    """Wall-clock time."""

    def now(self) -> UnixSeconds:
        """Return whole seconds since 1970."""

    async def sleep(self, seconds: float) -> None:
        """Let at least that long pass."""


class Entropy(Protocol):
    """Unpredictable bytes."""

    def bytes(self, count: int) -> bytes:
        """Return ``count`` bytes fit for nonces and salts."""
