"""A worker that the pool's owner keeps from work: drained, or banned."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.units import UnixSeconds, show_moment

MOST_REASON: Final = 200
"""Characters of an owner's reason."""


class ExclusionKind(StrEnum):
    """What is kept from a worker; the words stand in the journal and on the wire."""

    DRAIN = "drain"
    """New tasks: what it holds goes on."""
    BAN = "ban"
    """The pool itself: what it holds goes to others."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What the owner decided of one worker, why, and when (the pool's clock)."""

    kind: ExclusionKind
    reason: str
    since: UnixSeconds

    @property
    def sentence(self) -> str:
        """What the worker's operator is told."""
        why = f": {self.reason}" if self.reason else ""
        return (
            f"the pool's owner gives this worker no new tasks, since {show_moment(self.since)}"
            f"{why}; what it holds goes on"
        )


READMITTED: Final = "the pool's owner gives this worker tasks again"
"""What the operator of a worker is told that is no longer drained."""
