"""How long a pool that was started again waits for workers that were there before."""

from __future__ import annotations

from typing import Final

from poolhand.domain.units import Seconds, UnixSeconds

RETURN: Final = Seconds(35)
"""For workers to come back after a start, however few there are: they try at least every 30 s."""
NOBODY_RETURNS_AFTER: Final = Seconds(10)
"""Without anybody's coming, after which nobody else is expected."""
PER_SECOND: Final = 50
"""Workers of whom each so many earn those still missing one more second: far fewer than log in."""
SHARE_WAITED: Final = 4
"""Part of a task's time to its deadline that is waited at most."""


def is_awaited(
    now: UnixSeconds, started: UnixSeconds, arrived: int, latest: UnixSeconds, left: Seconds
) -> bool:
    """Whether a missing worker is still expected to be on its way.

    While others keep coming there may be a queue at the door. Each who comes earns the missing a
    moment only, so that a stranger who logs in again and again holds nobody's task up.

    Args:
        now: The time.
        started: When workers were let in.
        arrived: How many workers have come since.
        latest: When the last of them came.
        left: Seconds from the start to the deadline of the task that the worker holds.
    """
    waited, longest = now - started, RETURN + arrived // PER_SECOND
    if waited < RETURN:
        return True
    return now - latest < NOBODY_RETURNS_AFTER and waited < min(longest, left // SHARE_WAITED)
