"""What a worker leaves to whoever started it: the version that is to work in its place."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.release import Release
from poolhand.worker.upgrading.installation import Installation


@dataclass(slots=True)
class Takeover:
    """How a worker is replaced by another version of its program.

    Attributes:
        installation: Where versions stand; None: this program does not replace itself.
        obstacle: Why not, and what its operator does instead; a clause.
        release: The version that takes over once the worker has ended; None: none does.
    """

    installation: Installation | None = None
    obstacle: str = "this program does not replace itself"
    release: Release | None = None

    def take(self, release: Release | None) -> None:
        """Note which version takes over; None: none does."""
        self.release = release
