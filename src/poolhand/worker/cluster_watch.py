"""Whether the cluster on which a worker computes has room for one more task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from poolhand.domain.errors import RuntimeDown
from poolhand.ports.clock import Clock

PAUSE_BETWEEN_CLUSTER_LOOKS: Final = 10.0
"""Seconds between two looks: a controller has others to serve."""


class ClusterWatch:
    """Looks at the cluster now and then.

    Args:
        lack: Says why no further task would be computed now; None where one would.
        changed: Told why nothing new may be taken, and None when it may again.
        clock: For pauses between looks.
    """

    def __init__(
        self,
        lack: Callable[[], Awaitable[str | None]],
        changed: Callable[[str | None], None],
        clock: Clock,
    ) -> None:
        self._lack, self._changed, self._clock = lack, changed, clock
        self._told: str | None = None

    async def look(self) -> None:
        """See whether there is room."""
        try:
            found = await self._lack()
        except RuntimeDown as fault:
            found = str(fault)
        if found != self._told:
            self._told = found
            self._changed(found)

    async def keep_looking(self) -> None:
        """Do so until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(PAUSE_BETWEEN_CLUSTER_LOOKS)
