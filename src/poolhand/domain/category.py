"""Categories: a reference time T from which every deadline follows.

Source: PoCo 6.x, IexecPocoAccessorsFacet ratios 7, 2 and 10.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log10
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

    def pull_timeout(self, least: Seconds, most: Seconds) -> Seconds:
        """Return how long an image of such a task may take to arrive; ``most`` wins over ``least``.

        Source: iExec worker 9.x, ``DockerService``: 10 × log10 of the category's milliseconds by
        600, in minutes; 27 for XS, over 30 for all others.
        """
        minutes = round(10 * log10(max(self.time_ref * 1000 // 60 // 10, 1)))
        return Seconds(min(max(minutes * 60, least), most))
