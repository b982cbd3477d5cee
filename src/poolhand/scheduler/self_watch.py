"""What the pool knows of its own lateness: while that may be the cause, nobody is late."""

from __future__ import annotations

import structlog

from poolhand.domain.placement.attention import Attention
from poolhand.domain.units import Seconds
from poolhand.ports.clock import Clock

log = structlog.get_logger()


class SelfWatch:
    """Told when the pool's own program stood still.

    Args:
        clock: The pool's own, not the chain's.
        window: In which a worker has to take up what it is offered.
    """

    def __init__(self, clock: Clock, window: Seconds) -> None:
        self._clock, self._window = clock, window
        self._attention = Attention()

    def stood_still(self) -> None:
        """Note that nobody was listened to until now."""
        log.warning("pool_stood_still", acts="pool owner", next_step="look at the machine's load")
        self._attention = self._attention.stood_still(self._clock.steady(), self._window)

    def is_sure(self) -> bool:
        """Whether who has not been heard for a window has been silent."""
        return self._attention.is_sure(self._clock.steady(), self._window)
