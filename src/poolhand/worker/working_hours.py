"""The hours of a worker: outside of them it takes nothing, and towards their end nothing long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import tzinfo
from typing import Any, Final, Protocol

from poolhand.domain.availability.schedule import Opening
from poolhand.domain.errors import Refused
from poolhand.domain.signal import Signal
from poolhand.domain.units import Seconds, UnixSeconds, show_moment
from poolhand.observe.time_zone import local_zone
from poolhand.ports.clock import Clock
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.standing import Hold

HOURS_LOOK: Final = 30.0
"""Seconds at most between two looks: somebody may set the clock, or take it to another zone."""


class Unwanted(Refused):
    """A task that the worker's operator does not want: nobody has done anything wrong."""


class OutsideHours(Unwanted):
    """A task that could not end before the worker's hours do."""


class Holder(Protocol):
    """Takes nothing new, or not everything: ``worker.pool_member``."""

    def hold(self, kind: Hold, reason: str | None, ends: UnixSeconds | None = None, /) -> None:
        """Take nothing new for a reason, and until a moment; None: take again."""

    def limit_time(self, longest: Seconds | None, /) -> None:
        """Take no task whose category allows more; None: any."""


class WorkingHours:
    """Follows the schedule.

    Args:
        live: Has it.
        clock: Tells the moment.
        zone: Whose hours they are; asked each time, for people travel.

    Attributes:
        stirred: Tells that another look is due.
    """

    def __init__(
        self, live: LiveSettings, clock: Clock, zone: Callable[[], tzinfo] = local_zone
    ) -> None:
        self._live, self._clock, self._zone = live, clock, zone
        self._times: set[Seconds] = set()
        self.stirred: Signal[[]] = Signal()
        live.changed.connect(self.stirred)

    def learn(self, times: Iterable[Seconds]) -> None:
        """Take note of how long categories let a task compute."""
        known = len(self._times)
        self._times.update(times)
        if len(self._times) != known:
            self._live.learn(min(self._times))
            self.stirred()

    def opening(self) -> Opening:
        """Return whether tasks are taken now by the schedule, and until when."""
        return self._live.now.schedule.at(self._clock.now(), self._zone())

    def check(self, time: Seconds) -> None:
        """Check that a task may be taken now.

        Args:
            time: For which it may compute.

        Raises:
            OutsideHours: It may compute for longer than the hours last.
        """
        self.learn((time,))
        told = self.opening()
        if not told.is_open:
            raise OutsideHours(f"the worker takes nothing new: {self._closed(told)}")
        if told.changes is not None and self._clock.now() + time > told.changes:
            raise OutsideHours(
                f"the task may compute for {time} s, and this worker's hours end at "
                f"{show_moment(told.changes)}"
            )

    def look(self, worker: Holder) -> float:
        """Tell a worker what it takes now; returns for how long that holds at most (seconds)."""
        now, told = self._clock.now(), self.opening()
        if not told.is_open:
            worker.hold(Hold.SCHEDULE, self._closed(told), told.changes)
            return HOURS_LOOK if told.changes is None else min(told.changes - now, HOURS_LOOK)
        if told.changes is None:
            worker.hold(Hold.SCHEDULE, None)
            worker.limit_time(None)
            return HOURS_LOOK
        left = told.changes - now
        fitting = {each for each in self._times if each <= left}
        if self._times and not fitting:
            opens = self._live.now.schedule.at(told.changes, self._zone()).changes
            worker.hold(Hold.SCHEDULE, self._nearly_over(told.changes), opens)
            return min(left, HOURS_LOOK)
        longest = max(fitting, default=Seconds(left))
        worker.limit_time(None if fitting == self._times and fitting else longest)
        worker.hold(Hold.SCHEDULE, None)
        return min(left - longest + 1, HOURS_LOOK)

    def show(self) -> dict[str, Any]:
        """Show the hours for the status: moments in Unix seconds, null where nothing changes."""
        opening, now = self.opening(), self._live.now
        return {
            "hours": now.schedule.text,
            "hours_a_week": round(now.hours_a_week, 2),
            "open": opening.is_open,
            "changes_at": opening.changes,
        }

    def _closed(self, told: Opening) -> str:
        until = "" if told.changes is None else f", until {show_moment(told.changes)}"
        return f"outside its hours ({self._live.now.schedule.text}){until}"

    def _nearly_over(self, closes: UnixSeconds) -> str:
        return (
            f"its hours ({self._live.now.schedule.text}) end at {show_moment(closes)}, before the "
            "shortest task could"
        )
