"""At which hours of the week a worker takes tasks, by the clock of its operator.

A window is of the day on which it opens; one that ends at or before the time at which it opens ends
on the day after. Where a clock leaps over an end, when summer begins, that end is at the leap; of
one that it passes twice, when summer ends, an opening is the first and a close the last: a window
never has a gap, and the worker works at every moment whose time of day is in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final, TypeAlias

from poolhand.domain.availability.moments import BadTime
from poolhand.domain.text import shown
from poolhand.domain.units import DAY, Seconds, UnixSeconds

DAY_NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
EVERY_DAY: Final = frozenset(range(7))
ALWAYS, NEVER = "always", "never"
MINUTES_A_DAY: Final = 1_440
MINUTES_A_WEEK: Final = 7 * MINUTES_A_DAY
MOST_WINDOWS: Final = 32
SCHEDULE_EXAMPLE: Final = "weekdays 22:00-07:00, weekend all day"
_DAYS_AHEAD: Final = 10
"""Days that are looked ahead; who is open for over a week of them, an hour set back included, is
open always."""
_GROUPS: Final = {
    "daily": EVERY_DAY,
    "weekdays": frozenset(range(5)),
    "weekday": frozenset(range(5)),
    "weekend": frozenset((5, 6)),
    "weekends": frozenset((5, 6)),
}
_ALL_DAY: Final = re.compile(r"(?P<days>.*?)\s*all day")
_HOURS: Final = re.compile(
    r"(?P<days>.*?)\s*(?P<sh>[0-9]{1,2}):(?P<sm>[0-9]{2})\s*-\s*(?P<eh>[0-9]{1,2}):(?P<em>[0-9]{2})",
    re.ASCII,
)
_RANGE: Final = re.compile(r"([a-z]+)\s*-\s*([a-z]+)")
_MOST_SHOWN_OF_HOURS: Final = 60
TimeSpan: TypeAlias = tuple[int, int]
"""From a moment on, until before another; in one unit."""


@dataclass(frozen=True, slots=True)
class ScheduleWindow:
    """Some hours of some days.

    Attributes:
        days: On which it opens; 0 is Monday.
        start: Minutes after midnight, 0 to 1439.
        end: Minutes after the midnight of the day on which it opens; at most a day after ``start``.
    """

    days: frozenset[int]
    start: int
    end: int

    def spans(self) -> Iterator[TimeSpan]:
        """Yield it in minutes of the week; what passes its end is told from its beginning on."""
        for day in self.days:
            begin, end = (day * MINUTES_A_DAY + each for each in (self.start, self.end))
            yield begin, min(end, MINUTES_A_WEEK)
            if end > MINUTES_A_WEEK:
                yield 0, end - MINUTES_A_WEEK


@dataclass(frozen=True, slots=True)
class Opening:
    """Whether a worker takes tasks by its schedule, and when that changes; None: it never does."""

    is_open: bool
    changes: UnixSeconds | None


@dataclass(frozen=True, slots=True)
class Schedule:
    """When tasks are taken; ``text`` is as the operator wrote it."""

    text: str
    windows: tuple[ScheduleWindow, ...]

    def at(self, now: UnixSeconds, zone: tzinfo) -> Opening:
        """Tell whether it is open, and when it closes or opens.

        Args:
            now: The moment.
            zone: Whose clock it goes by.
        """
        first = datetime.fromtimestamp(now, zone).date()
        for begin, end in _joined(self._spans(first, zone)):
            if now < begin:
                return Opening(is_open=False, changes=UnixSeconds(begin))
            if now < end:
                is_for_ever = end >= now + (_DAYS_AHEAD - 2) * DAY
                return Opening(is_open=True, changes=None if is_for_ever else UnixSeconds(end))
        return Opening(is_open=False, changes=None)

    @property
    def minutes_a_week(self) -> int:
        """How much of a week it is open."""
        return sum(end - begin for begin, end in self._week())

    @property
    def longest(self) -> Seconds | None:
        """The longest time for which it is open without a break; None: for ever."""
        week = self._week()
        if not week:
            return Seconds(0)
        if week == [(0, MINUTES_A_WEEK)]:
            return None
        lengths = [end - begin for begin, end in week]
        if week[0][0] == 0 and week[-1][1] == MINUTES_A_WEEK:
            lengths.append(lengths[0] + lengths[-1])
        return Seconds(max(lengths) * 60)

    def _week(self) -> list[TimeSpan]:
        return _joined(span for window in self.windows for span in window.spans())

    def _spans(self, first: date, zone: tzinfo) -> Iterator[TimeSpan]:
        """Yield when its windows are open around a day and in the days ahead."""
        for ahead in range(-2, _DAYS_AHEAD):
            day = first + timedelta(days=ahead)
            for window in self.windows:
                if day.weekday() in window.days:
                    yield _first(day, window.start, zone), _last(day, window.end, zone)


ALWAYS_OPEN: Final = Schedule(ALWAYS, (ScheduleWindow(EVERY_DAY, 0, MINUTES_A_DAY),))


def parse_schedule(text: str) -> Schedule:
    """Read windows, separated by commas: ``weekdays 22:00-07:00, weekend all day``.

    Days are ``mon`` to ``sun``, ``mon-fri``, several separated by spaces, ``weekdays``,
    ``weekend``, or none for every day. ``always`` and ``never`` say it in a word.

    Raises:
        BadTime: None of these; the message says what to write.
    """
    plain = " ".join(text.lower().split())
    if plain == ALWAYS:
        return ALWAYS_OPEN
    if plain == NEVER:
        return Schedule(NEVER, ())
    parts = [part.strip() for part in re.split("[,;]", plain)]
    if len(parts) > MOST_WINDOWS:
        raise BadTime(f"a schedule has {MOST_WINDOWS} windows at most")
    return Schedule(plain, tuple(map(_window, parts)))


def _window(part: str) -> ScheduleWindow:
    told = shown(part, _MOST_SHOWN_OF_HOURS)
    bad = BadTime(f"'{told}' is no window of a week: write '{SCHEDULE_EXAMPLE}', or always")
    if (found := _ALL_DAY.fullmatch(part)) is not None:
        return ScheduleWindow(_days(found["days"], bad), 0, MINUTES_A_DAY)
    found = _HOURS.fullmatch(part)
    if found is None:
        raise bad
    start, end = _minutes(found["sh"], found["sm"], bad), _minutes(found["eh"], found["em"], bad)
    if start == MINUTES_A_DAY:
        raise bad
    return ScheduleWindow(
        _days(found["days"], bad), start, end if end > start else end + MINUTES_A_DAY
    )


def _minutes(hour: str, minute: str, bad: BadTime) -> int:
    """Read a time of day; 24:00 is the end of it."""
    if int(minute) > 59 or int(hour) * 60 + int(minute) > MINUTES_A_DAY:
        raise bad
    return int(hour) * 60 + int(minute)


def _days(text: str, bad: BadTime) -> frozenset[int]:
    if not text or text in ("every day", "daily"):
        return EVERY_DAY
    found: set[int] = set()
    for word in _RANGE.sub(r"\1-\2", text).split():
        begin, to, end = word.partition("-")
        if word in _GROUPS:
            found |= _GROUPS[word]
        else:
            first = _day(begin, bad)
            last = _day(end, bad) if to else first
            found |= {(first + step) % 7 for step in range((last - first) % 7 + 1)}
    return frozenset(found)


def _day(word: str, bad: BadTime) -> int:
    short = word[:3]
    whole = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
    if short not in DAY_NAMES or word not in (short, whole[DAY_NAMES.index(short)]):
        raise bad
    return DAY_NAMES.index(short)


def _joined(spans: Iterable[TimeSpan]) -> list[TimeSpan]:
    """Return spans in order, those that touch as one, and none that is empty."""
    made: list[TimeSpan] = []
    for begin, end in sorted(span for span in spans if span[0] < span[1]):
        if made and begin <= made[-1][1]:
            made[-1] = made[-1][0], max(made[-1][1], end)
        else:
            made.append((begin, end))
    return made


def _first(day: date, minutes: int, zone: tzinfo) -> int:
    """Return the first moment at which a clock shows a time of a day, or has leapt over it."""
    return min(_passes(day, minutes, zone))


def _last(day: date, minutes: int, zone: tzinfo) -> int:
    """Return the last moment at which a clock shows a time of a day, or has leapt over it."""
    return max(_passes(day, minutes, zone))


def _passes(day: date, minutes: int, zone: tzinfo) -> tuple[int, ...]:
    """Return when a clock shows a time of a day: once, twice, or at the leap over it."""
    day, minutes = day + timedelta(days=minutes // MINUTES_A_DAY), minutes % MINUTES_A_DAY
    local = datetime.combine(day, time(*divmod(minutes, 60)), zone)
    first, second = (_moment(local, fold) for fold in (0, 1))
    if first <= second:
        return first, second
    return (_leap(second, first, zone),)


def _moment(local: datetime, fold: int) -> int:
    return int(local.replace(fold=fold).astimezone(UTC).timestamp())


def _leap(before: int, after: int, zone: tzinfo) -> int:
    """Return the moment between two at which a clock is set forward."""

    def offset(moment: int) -> timedelta | None:
        return datetime.fromtimestamp(moment, zone).utcoffset()

    old = offset(before)
    while after - before > 1:
        middle = (before + after) // 2
        before, after = (middle, after) if offset(middle) == old else (before, middle)
    return after
