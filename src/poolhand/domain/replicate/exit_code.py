"""With which exit code an app ended, in a replicate's story: as its worker writes it, and as read.

The worker protocol has no member for it, and needs none: the story of a failed run begins with
these words, and of one that did not fail the code is 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from poolhand.domain.replicate.events import Entry
from poolhand.domain.replicate.status import Status

_EXITED: Final = re.compile(r"the app exited with code (\d{1,3})(?!\d)")


def exited(code: int | None) -> str:
    """Say that an app failed; None: it ended with no code, for it never began."""
    return "the app was not started" if code is None else f"the app exited with code {code}"


def app_exit_code(log: Iterable[Entry]) -> int | None:
    """Return the exit code that a worker told; None: it has told none.

    None is also for an app that was stopped, for its time or for what it wrote, and for one whose
    result could not be read.
    """
    found: int | None = None
    for entry in log:
        if entry.status is Status.COMPUTED:
            found = 0
        elif entry.status is Status.COMPUTE_FAILED:
            told = _EXITED.match(entry.detail or "")
            found = int(told[1]) if told else None
    return found
