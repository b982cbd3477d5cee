"""Categories: a reference time T from which every deadline follows.

Source: PoCo 6.x, IexecPocoAccessorsFacet ratios 7, 2 and 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.units import Seconds, UnixSeconds

CONTRIBUTION_RATIO: Final = 7
REVEAL_RATIO: Final = 2
FINAL_RATIO: Final = 10


@dataclass(frozen=True, slots=True)
class Category:
    """A class of tasks by their longest computing time."""

    index: int
    name: str
    time_ref: Seconds

    def contribution_deadline(self, start: UnixSeconds) -> UnixSeconds:
        """Last moment (exclusive) to contribute to a deal matched at ``start``."""
        return UnixSeconds(start + CONTRIBUTION_RATIO * self.time_ref)

    def final_deadline(self, start: UnixSeconds) -> UnixSeconds:
        """Moment from which an unfinished task may only be claimed."""
        return UnixSeconds(start + FINAL_RATIO * self.time_ref)

    @property
    def reveal_window(self) -> Seconds:
        """How long after the consensus a worker may reveal."""
        return Seconds(REVEAL_RATIO * self.time_ref)
