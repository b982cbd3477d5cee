"""Whether that on which a worker computes lacks something: room in a cluster, ways to hosts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from poolhand.domain.errors import RuntimeDown
from poolhand.ports.clock import Clock

PAUSE_BETWEEN_LACK_LOOKS: Final = 10.0
"""Seconds between two looks: a controller has others to serve."""


class LackWatch:
    """Looks now and then.

    Args:
        lack: Says what is lacking now; None: nothing.
        changed: Told at the first look, and whenever that is another.
        clock: For pauses between looks.
    """

    def __init__(
        self,
        lack: Callable[[], Awaitable[str | None]],
        changed: Callable[[str | None], None],
        clock: Clock,
    ) -> None:
        self._lack, self._changed, self._clock = lack, changed, clock
        self._told: tuple[str | None, ...] = ()

    async def look(self) -> None:
        """See what is lacking."""
        try:
            found = await self._lack()
        except RuntimeDown as fault:
            found = str(fault)
        if self._told != (found,):
            self._told = (found,)
            self._changed(found)

    async def keep_looking(self) -> None:
        """Do so until cancelled."""
        while True:
            await self.look()
            await self._clock.sleep(PAUSE_BETWEEN_LACK_LOOKS)
