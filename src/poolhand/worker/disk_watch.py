"""Room on the worker's disk: what fails for lack of it is the operator's to fix, not the app's.

An app that cannot write often ends well with half a result, so a failed stage is believed only
where there is room. Until there is, nothing new is taken, and the stage waits to be done anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from poolhand.domain.doctor.machine import GOES_ON_BY_ITSELF, LEAST_DISK, full_disk
from poolhand.observe.disk_space import free_bytes
from poolhand.observe.outage_log import OutageLog
from poolhand.ports.clock import Clock

PAUSE_BETWEEN_DISK_LOOKS: Final = 2.0
"""Seconds between two looks for room."""


def nearest(place: Path) -> Path:
    """Return a folder, or the nearest one above it that is there."""
    return next(each for each in (place, *place.parents) if each.exists())


class DiskRoom:
    """Room on the disk of a folder, which need not be there yet.

    Args:
        base: The folder.
        clock: For pauses between looks.
        free: Tells how much there is at a place.
        least: Tells how much must be left before anything new is taken (bytes).

    Attributes:
        free: Reads the room at a place that is there (bytes).
        outage: Told of a full disk by whoever finds it so.
    """

    def __init__(
        self,
        base: Path,
        clock: Clock,
        free: Callable[[Path], int] = free_bytes,
        least: Callable[[], int] = lambda: LEAST_DISK,
    ) -> None:
        self._base, self._clock, self.free, self._least = base, clock, free, least
        self.outage = OutageLog(
            "disk_full",
            "disk_has_room",
            acts="operator of the worker",
            next_step=f"free some space; {GOES_ON_BY_ITSELF}",
        )

    @property
    def too_little(self) -> str | None:
        """Why nothing new is taken: less than the operator wants to be left; None where more is."""
        return full_disk(self.free(nearest(self._base)), str(self._base), self._least())

    @property
    def lack(self) -> str | None:
        """Where there is no room left, as a sentence; None where there is."""
        return full_disk(self.free(nearest(self._base)), str(self._base))

    async def awaited(self) -> bool:
        """Wait until there is room; tells whether there was none."""
        was_full = False
        while (lack := self.lack) is not None:
            was_full = True
            self.outage.tell(lack)
            await self._clock.sleep(PAUSE_BETWEEN_DISK_LOOKS)
        if was_full:
            self.outage.over()
        return was_full


class DiskWatch:
    """Looks at the disk with every block.

    Args:
        room: On the disk.
        changed: Told why nothing new may be taken, and None when it may again.
    """

    def __init__(self, room: DiskRoom, changed: Callable[[str | None], None]) -> None:
        self._room, self._changed = room, changed
        self._lack: str | None = None

    def look(self) -> None:
        """See whether there is room."""
        before, self._lack = self._lack, self._room.too_little
        if self._lack is not None:
            self._room.outage.tell(self._lack)
        elif before is not None:
            self._room.outage.over()
        if self._lack != before:
            self._changed(self._lack)
