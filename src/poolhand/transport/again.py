"""Asking again while a fault may pass: the one loop of every download and upload of ours."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias, TypeVar

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
"""Lets seconds pass."""
T = TypeVar("T")
F = TypeVar("F", bound=Exception)

PAUSES_AT_TERMINAL: Final = (0.5, 2.0)
"""Seconds between the tries of somebody who waits at a terminal."""


async def again(
    attempt: Callable[[], Awaitable[T]],
    passing: type[F],
    next_pause: Callable[[int, F], float | None],
    pause: Sleep,
) -> T:
    """Return what ``attempt`` does, tried again after faults that may pass.

    Args:
        attempt: Repeatable.
        passing: Faults that may pass; any other is raised at once.
        next_pause: Given the tries so far and the last fault, says how long to wait (seconds);
            None gives up, and the fault is raised.
        pause: Lets that time pass.
    """
    tries = 0
    while True:
        tries += 1
        try:
            return await attempt()
        except passing as fault:
            wait = next_pause(tries, fault)
            if wait is None:
                raise
        await pause(wait)


def a_few_times(tries: int, _fault: Exception) -> float | None:
    """Wait ``PAUSES_AT_TERMINAL`` times, then give up."""
    return PAUSES_AT_TERMINAL[tries - 1] if tries <= len(PAUSES_AT_TERMINAL) else None
