"""Which of the programs that one supervises are to be started now. Pure.

As a service manager has it: one that failed is started again, after a pause that grows while it
keeps failing; one that ended in order has ended until somebody wants it anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

FIRST_RESTART_PAUSE: Final = 10.0
"""Seconds before a program that failed is started again."""
LONGEST_RESTART_PAUSE: Final = 300.0
"""Seconds that this pause grows to."""
SOUND_RUN: Final = 60.0
"""Seconds after which a program that runs counts as sound."""


@dataclass(frozen=True, slots=True)
class ProgramSeen:
    """A supervised program as it is found.

    Attributes:
        wanted: Whether it is to run.
        running: Whether it does, whoever started it.
        failed: Where it does not run any more: whether it failed; None where it was never seen to
            run.
    """

    wanted: bool
    running: bool
    failed: bool | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """What is remembered of a supervised program.

    Attributes:
        failures: In a row.
        since: When it was first seen to run, or was started (seconds, by a steady clock).
        due: When it may be started again.
        ended: Whether it ended in order.
        leaving: Whether it was not wanted while it ran: its end was asked for then, so where it is
            wanted again by the time that it has ended, it is started.
    """

    failures: int = 0
    since: float | None = None
    due: float = 0.0
    ended: bool = False
    leaving: bool = False


def supervise(watched: Watched, seen: ProgramSeen, now: float) -> tuple[Watched, bool]:
    """Return what is to be remembered, and whether the program is to be started now.

    Args:
        watched: What is remembered.
        seen: What is found.
        now: Seconds, by a steady clock.
    """
    if not seen.wanted:
        return Watched(since=now if seen.running else None, leaving=seen.running), False
    if seen.running:
        since = now if watched.since is None else watched.since
        is_sound = now - since >= SOUND_RUN
        failures, leaving = (0, False) if is_sound else (watched.failures, watched.leaving)
        return Watched(failures, since, leaving=leaving), False
    if watched.since is not None and watched.leaving:
        watched = Watched()
    if watched.since is not None:
        watched = _ended(watched, now, failed=seen.failed is not False)
    if watched.ended or now < watched.due:
        return watched, False
    return replace(watched, since=now), True


def _ended(watched: Watched, now: float, *, failed: bool) -> Watched:
    """Return what is remembered of a program that was seen to run and does not any more."""
    if not failed:
        return Watched(ended=True)
    assert watched.since is not None
    failures = 1 if now - watched.since >= SOUND_RUN else watched.failures + 1
    pause = min(FIRST_RESTART_PAUSE * 2 ** (failures - 1), LONGEST_RESTART_PAUSE)
    return Watched(failures, due=now + pause)
