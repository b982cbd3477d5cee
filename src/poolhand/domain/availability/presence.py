"""Whether somebody uses a worker's computer, and what the worker may do meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.units import Seconds, UnixSeconds

OTHERS_LOAD: Final = 0.25
"""Part of all processors that other programs use while somebody is at the computer, by a guess."""
COOLED_BY: Final = 5.0
"""°C below the limit, so that work does not begin and stop with every look."""
BY_LOAD: Final = "the load of other programs"


@dataclass(frozen=True, slots=True)
class Presence:
    """Whether somebody uses the computer.

    Attributes:
        in_use: Whether somebody does.
        idle_for: Since when nobody does.
        told_by: Who tells, for a person.
    """

    in_use: bool
    idle_for: Seconds
    told_by: str


@dataclass(frozen=True, slots=True)
class LoadSeen:
    """Processors at work, where nothing tells of input.

    ``quiet_since`` is by a clock that only passes; None: others were at work at the last look.
    """

    quiet_since: UnixSeconds | None = None

    def after(self, busy: float, ours: float, cpus: int, now: UnixSeconds) -> LoadSeen:
        """Return what is known after another look.

        Args:
            busy: Processors at work, ours included.
            ours: Those that our tasks may use.
            cpus: All that there are.
            now: The moment.
        """
        if busy - ours > OTHERS_LOAD * cpus:
            return LoadSeen(None)
        return self if self.quiet_since is not None else LoadSeen(now)

    def idle_for(self, now: UnixSeconds) -> Seconds:
        """Return for how long other programs have used little."""
        return Seconds(0 if self.quiet_since is None else now - self.quiet_since)


def is_hot(celsius: float | None, hottest: float | None, *, was_hot: bool) -> bool:
    """Return whether processors are too hot to begin anything.

    Args:
        celsius: How hot they are; None where nothing tells: then nothing is kept back.
        hottest: Above which they are; None: it does not matter.
        was_hot: Whether they were at the last look; then they must cool down by ``COOLED_BY``.
    """
    if celsius is None or hottest is None:
        return False
    return celsius > (hottest - COOLED_BY if was_hot else hottest)


def presence(idle_for: Seconds, told_by: str, idle_after: Seconds) -> Presence:
    """Return whether somebody uses the computer.

    Args:
        idle_for: Since when nobody has done anything.
        told_by: Who tells.
        idle_after: After which somebody counts as gone.
    """
    return Presence(idle_for < idle_after, idle_for, told_by)
