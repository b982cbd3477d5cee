"""Room on the worker's disk: what fails for want of it is the operator's to mend, not the app's.

An app that cannot write often ends well with half a result, so a failed stage is believed only
where there is room. Until there is, nothing new is taken, and the stage waits to be done anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from poolhand.worker.bench import RETRY_SECONDS, Bench

LEAST: Final = 16 * 1024**2
"""Bytes below which a disk counts as full."""


def lack_of_room(bench: Bench) -> str | None:
    """Say where there is no room left; None where there is."""
    place = next(each for each in (bench.base, *bench.base.parents) if each.exists())
    if bench.free(place) >= LEAST:
        return None
    return f"the disk at {bench.base} is full: less than {LEAST // 1024**2} MiB are free"


async def until_room(bench: Bench) -> bool:
    """Wait until there is room; tells whether there was none."""
    was_full = False
    while (lack := lack_of_room(bench)) is not None:
        was_full = True
        bench.disk_full.tell(lack)
        await bench.clock.sleep(RETRY_SECONDS)
    if was_full:
        bench.disk_full.over()
    return was_full


class DiskWatch:
    """Looks at the disk with every block.

    Args:
        bench: Where the disk is.
        changed: Told why nothing new may be taken, and None when it may again.
    """

    def __init__(self, bench: Bench, changed: Callable[[str | None], None]) -> None:
        self._bench, self._changed = bench, changed
        self._lack: str | None = None

    def look(self) -> None:
        """See whether there is room."""
        before, self._lack = self._lack, lack_of_room(self._bench)
        if self._lack is not None:
            self._bench.disk_full.tell(self._lack)
        elif before is not None:
            self._bench.disk_full.over()
        if self._lack != before:
            self._changed(self._lack)
