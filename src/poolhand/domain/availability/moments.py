"""Moments and durations as an operator types them."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final

from poolhand.domain.errors import Refused
from poolhand.domain.text import shown
from poolhand.domain.units import DAY, Seconds, UnixSeconds

LONGEST_PAUSE_OF_WORK: Final = Seconds(366 * DAY)
"""What ends later may as well have no end."""
_DURATION: Final = re.compile(
    r"(?:([0-9]{1,4})d)?(?:([0-9]{1,4})h)?(?:([0-9]{1,6})m)?(?:([0-9]{1,8})s)?"
)
_MOMENT: Final = re.compile(
    r"(?:([0-9]{4}-[0-9]{2}-[0-9]{2})(?:T|\s+))?([0-9]{1,2}):([0-9]{2})", re.ASCII
)
_UNITS: Final = (DAY, 3_600, 60, 1)
_MOST_SHOWN_OF_TEXT: Final = 60
"""Characters of a text that is no time, in the message about it."""


class BadTime(Refused):
    """No time that anybody could mean, or one that is over; the message says what to write."""


def parse_duration(text: str) -> Seconds:
    """Read how long: ``90m``, ``3h``, ``1h30m``, ``2d``, ``45s``.

    Raises:
        BadTime: None of these, nothing at all, or more than a year.
    """
    found = _DURATION.fullmatch("".join(text.split()).lower())
    if found is None or not any(found.groups()):
        raise BadTime(
            f"'{shown(text, _MOST_SHOWN_OF_TEXT)}' is no duration: write 90m, 3h, 1h30m or 2d"
        )
    counts = (int(part or 0) for part in found.groups())
    seconds = sum(count * unit for count, unit in zip(counts, _UNITS, strict=True))
    if not 0 < seconds <= LONGEST_PAUSE_OF_WORK:
        raise BadTime(f"'{shown(text, _MOST_SHOWN_OF_TEXT)}' is not between a second and a year")
    return Seconds(seconds)


def parse_moment(text: str, now: UnixSeconds, zone: tzinfo) -> UnixSeconds:
    """Read until when: ``08:00`` is the next one, ``2026-12-24 08:00`` that very one.

    A time of day that the clock passes twice, when summer ends, is the first that is still to
    come; one that it leaps over, when summer begins, is as long after the leap as it was to be
    after the clock was set.

    Args:
        text: As typed.
        now: The moment from which on it is looked for.
        zone: Whose clock shows it.

    Raises:
        BadTime: No time, one that is over, or one that is over a year away.
    """
    to_come = [each for each in _typed_moments(text, now, zone) if each > now]
    if not to_come:
        raise BadTime(f"{shown(text, _MOST_SHOWN_OF_TEXT)} is over")
    if to_come[0] > now + LONGEST_PAUSE_OF_WORK:
        raise BadTime(f"{shown(text, _MOST_SHOWN_OF_TEXT)} is over a year away")
    return to_come[0]


def _typed_moments(text: str, now: UnixSeconds, zone: tzinfo) -> list[UnixSeconds]:
    """Return when a clock shows what was typed; without a day, on the days from now on."""
    bad = BadTime(
        f"'{shown(text, _MOST_SHOWN_OF_TEXT)}' is no time: "
        "write 08:00, or a day as well: 2026-12-24 08:00"
    )
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        raise bad
    typed, hour, minute = found.groups()
    try:
        at = time(int(hour), int(minute))
        days = (date.fromisoformat(typed),) if typed else _days(now, zone)
        return [each for day in days for each in _moments(day, at, zone)]
    except (ValueError, OverflowError):
        raise bad from None


def _days(now: UnixSeconds, zone: tzinfo) -> tuple[date, ...]:
    """Return days enough to find any time of day after now, whatever a clock leaps over."""
    first = datetime.fromtimestamp(now, zone).date()
    return tuple(first + timedelta(days=ahead) for ahead in range(3))


def _moments(day: date, at: time, zone: tzinfo) -> tuple[UnixSeconds, ...]:
    """Return when a clock shows a time of a day: once, twice, or, leapt over, after the leap."""
    first, second = (
        datetime.combine(day, at, zone).replace(fold=fold).astimezone(UTC) for fold in (0, 1)
    )
    if second < first:
        return (UnixSeconds(int(first.timestamp())),)
    return tuple(UnixSeconds(int(each.timestamp())) for each in sorted({first, second}))
