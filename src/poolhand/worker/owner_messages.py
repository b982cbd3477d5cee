"""What the pool's owner says to this worker's operator: bounded in number, whatever a pool sends.

The texts are bounded and hide nothing already: the protocol refuses others (rule P-53).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from poolhand.domain.units import UnixSeconds
from poolhand.wire.messages import OwnerMessage

MOST_MESSAGES_KEPT: Final = 8
"""Messages that are shown; of more, the oldest go."""
MESSAGES_AT_ONCE: Final = 16
"""New messages that are taken one after the other."""
REFILL: Final = 60
"""Seconds after which one more is taken."""


class OwnerMessages:
    """Keeps the newest of them.

    Attributes:
        dropped: How many were passed over because too many came.
    """

    def __init__(self) -> None:
        self._kept: deque[OwnerMessage] = deque(maxlen=MOST_MESSAGES_KEPT)
        self._room, self._since = MESSAGES_AT_ONCE, UnixSeconds(0)
        self.dropped = 0

    def kept(self) -> Sequence[OwnerMessage]:
        """Return those that are kept, the newest first."""
        return tuple(reversed(self._kept))

    def take(self, said: OwnerMessage, now: UnixSeconds) -> bool:
        """Take one; True where it is news, which belongs into the log.

        Args:
            said: What is said; one that is told again is the same.
            now: By a clock that nobody sets.
        """
        if said in self._kept:
            return False
        gained = max(now - self._since, 0) // REFILL
        if gained:
            self._room, self._since = min(self._room + gained, MESSAGES_AT_ONCE), now
        if not self._room:
            self.dropped += 1
            return False
        self._room -= 1
        self._kept.append(said)
        return True
