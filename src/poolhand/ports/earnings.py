"""Where a program keeps what the chain told of an account's earnings: it saves reading it again."""

from __future__ import annotations

from typing import Protocol

from poolhand.domain.earning_book import KeptEarnings


class EarningsKeeper(Protocol):
    """Keeps one book over restarts; nothing rests on it, for the chain has all of it."""

    def read(self) -> KeptEarnings | None:
        """Return what was kept; None where it has to be made anew."""

    def write(self, kept: KeptEarnings) -> None:
        """Keep a book instead of the one before; raises nothing where that cannot be done."""
