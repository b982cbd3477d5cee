"""Room on the worker's disk: what fails for lack of it is the operator's to fix, not the app's.

An app that cannot write often ends well with half a result, so a failed stage is believed only
where there is room. Until there is, nothing new is taken, and the stage waits to be done anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from poolhand.worker.toolbox import RETRY_SECONDS, Toolbox

LEAST: Final = 16 * 1024**2
"""Bytes below which a disk counts as full."""


def lack_of_room(toolbox: Toolbox) -> str | None:
    """Say where there is no room left; None where there is."""
    place = next(each for each in (toolbox.base, *toolbox.base.parents) if each.exists())
    if toolbox.free(place) >= LEAST:
        return None
    return f"the disk at {toolbox.base} is full: less than {LEAST // 1024**2} MiB are free"


async def until_room(toolbox: Toolbox) -> bool:
    """Wait until there is room; tells whether there was none."""
    was_full = False
    while (lack := lack_of_room(toolbox)) is not None:
        was_full = True
        toolbox.disk_full.tell(lack)
        await toolbox.clock.sleep(RETRY_SECONDS)
    if was_full:
        toolbox.disk_full.over()
    return was_full


class DiskWatch:
    """Looks at the disk with every block.

    Args:
        toolbox: Where the disk is.
        changed: Told why nothing new may be taken, and None when it may again.
    """

    def __init__(self, toolbox: Toolbox, changed: Callable[[str | None], None]) -> None:
        self._toolbox, self._changed = toolbox, changed
        self._lack: str | None = None

    def look(self) -> None:
        """See whether there is room."""
        before, self._lack = self._lack, lack_of_room(self._toolbox)
        if self._lack is not None:
            self._toolbox.disk_full.tell(self._lack)
        elif before is not None:
            self._toolbox.disk_full.over()
        if self._lack != before:
            self._changed(self._lack)
