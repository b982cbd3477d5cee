"""Whether a pool that noticed nothing had been listening: its own lateness is nobody else's.

A pool whose program was held up (a machine with too much to do, a suspended one) finds all workers
late at once, though what they said lies unread before it. Only that much is excused: that many are
late at the same time says nothing, for whoever has many wallets could bring it about.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.units import Seconds, UnixSeconds

LONGEST_STANDSTILL: Final = Seconds(30)
"""How long a pool that stands still again and again may hold time back: then it must go on."""


@dataclass(frozen=True, slots=True)
class Attention:
    """When a pool last stood still, by its own clock.

    Attributes:
        since: From then on it has been listening.
        first: When it stood still for the first time in a row of such moments.
    """

    since: UnixSeconds = UnixSeconds(0)
    first: UnixSeconds = UnixSeconds(0)

    def stood_still(self, now: UnixSeconds, window: Seconds) -> Attention:
        """Return the attention of a pool that finds that it stood still until now.

        Args:
            now: By its clock.
            window: For how long it must have listened to be sure of a silence.
        """
        return Attention(now, self.first if now < self.since + window else now)

    def is_sure(self, now: UnixSeconds, window: Seconds) -> bool:
        """Whether who was not heard for a window has been silent."""
        return now >= min(self.since + window, self.first + LONGEST_STANDSTILL)
