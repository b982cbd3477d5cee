"""Hours of the week at which a worker takes tasks, in zones that set their clocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.availability.moments import BadTime
from poolhand.domain.availability.schedule import (
    ALWAYS_OPEN,
    EVERY_DAY,
    MINUTES_A_WEEK,
    MOST_WINDOWS,
    SCHEDULE_EXAMPLE,
    Opening,
    Schedule,
    ScheduleWindow,
    parse_schedule,
)
from poolhand.domain.units import DAY, UnixSeconds

BERLIN, HAVANA, APIA = (
    ZoneInfo(each) for each in ("Europe/Berlin", "America/Havana", "Pacific/Apia")
)
LORD_HOWE, KOLKATA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")
FIXED = (UTC, KOLKATA)
ZONES = st.sampled_from((*FIXED, BERLIN, HAVANA, APIA, LORD_HOWE))
SET = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),  # Berlin's summer begins
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 5, tzinfo=UTC),  # Havana's, at midnight
    datetime(2026, 11, 1, 5, tzinfo=UTC),
    datetime(2011, 12, 30, 10, tzinfo=UTC),  # Apia has no 30th
    datetime(2026, 4, 4, 15, tzinfo=UTC),  # Lord Howe's half hour
]
NOWS = st.one_of(
    st.integers(1_500_000_000, 2_000_000_000),
    st.builds(
        lambda day, seconds: int(day.timestamp()) + seconds,
        st.sampled_from(SET),
        st.integers(-2 * DAY, 2 * DAY),
    ),
).map(UnixSeconds)
QUARTERS = st.integers(0, 95).map(lambda count: count * 15)


@st.composite
def windows(draw) -> ScheduleWindow:
    start = draw(QUARTERS)
    days = draw(st.frozensets(st.integers(0, 6), min_size=1))
    return ScheduleWindow(days, start, start + 15 * draw(st.integers(1, 96)))


SCHEDULES = st.lists(windows(), max_size=4).map(lambda made: Schedule("", tuple(made)))


def shows_open(schedule: Schedule, now: int, zone) -> bool:
    """Whether a clock on the wall shows a time of some window."""
    local = datetime.fromtimestamp(now, zone)
    minute = (local.weekday() * 24 + local.hour) * 60 + local.minute
    return any(
        (minute - (day * 1_440 + window.start)) % MINUTES_A_WEEK < window.end - window.start
        for window in schedule.windows
        for day in window.days
    )


def is_even(now: int, zone) -> bool:
    """Whether no clock is set within two days: then a week has no hour twice, and misses none."""
    offsets = {
        datetime.fromtimestamp(now + hours * 3_600, zone).utcoffset() for hours in range(-50, 51)
    }
    return len(offsets) == 1


@given(SCHEDULES, NOWS, ZONES)
def test_where_no_clock_is_set_it_is_open_when_the_clock_on_the_wall_shows_it(schedule, now, zone):
    assume(is_even(now, zone))
    assert schedule.at(now, zone).is_open is shows_open(schedule, now, zone)


@given(SCHEDULES, NOWS, ZONES)
def test_it_is_open_whenever_the_clock_shows_it_and_never_with_a_break(schedule, now, zone):
    """A clock that is set back shows some hours twice: the time between is part of the window."""
    if shows_open(schedule, now, zone):
        # the day that Apia left out is that of no window; a window over it goes on without it
        assume(zone is not APIA or is_even(now, zone))
        assert schedule.at(now, zone).is_open


@given(SCHEDULES, NOWS, ZONES)
def test_it_changes_when_it_says_and_not_before(schedule, now, zone):
    told = schedule.at(now, zone)
    if told.changes is None:
        for hours in range(0, 24 * 9, 5):
            assert schedule.at(UnixSeconds(now + hours * 3_600), zone).is_open is told.is_open
        return
    assert now < told.changes <= now + 8 * DAY + 3_600
    assert schedule.at(told.changes, zone).is_open is not told.is_open
    last = UnixSeconds(told.changes - 1)
    assert schedule.at(last, zone) == told
    for part in range(1, 8):
        between = UnixSeconds(now + (told.changes - 1 - now) * part // 8)
        assert schedule.at(between, zone) == told


@settings(max_examples=examples(25))
@given(SCHEDULES)
def test_a_week_adds_up(schedule):
    monday = datetime(2026, 6, 1, tzinfo=UTC)
    starts = [int((monday + timedelta(minutes=15 * n)).timestamp()) for n in range(4 * 24 * 7)]
    shown = [schedule.at(UnixSeconds(each), UTC).is_open for each in starts]
    assert schedule.minutes_a_week == 15 * sum(shown)
    runs = "".join("o" if each else " " for each in shown * 2).split()
    longest = 900 * min(max(map(len, runs), default=0), len(starts))
    assert schedule.longest == (None if all(shown) else longest)


def at(text: str, zone=BERLIN) -> UnixSeconds:
    return UnixSeconds(int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()))


@pytest.mark.parametrize(
    ("now", "is_open", "changes"),
    [
        ("2026-06-01T21:59", False, "2026-06-01T22:00"),  # Monday
        ("2026-06-01T22:00", True, "2026-06-02T07:00"),
        ("2026-06-05T23:00", True, "2026-06-08T00:00"),  # Friday, into the weekend
        ("2026-06-07T23:59", True, "2026-06-08T00:00"),
        ("2026-06-08T00:30", False, "2026-06-08T22:00"),
        ("2026-03-27T23:00", True, "2026-03-30T00:00"),  # over the night of the summer's beginning
    ],
)
def test_nights_and_weekends(now, is_open, changes):
    schedule = parse_schedule(SCHEDULE_EXAMPLE)
    assert schedule.at(at(now), BERLIN) == Opening(is_open, at(changes))
    assert schedule.minutes_a_week == (5 * 9 + 48 - 7) * 60  # Friday's night is in the weekend


def test_an_hour_that_the_clock_leaps_over_is_left_out():
    schedule = parse_schedule("02:15-03:15")
    night = at("2026-03-29T01:00")
    leap = at("2026-03-29T03:00")
    assert schedule.at(night, BERLIN) == Opening(is_open=False, changes=leap)
    assert schedule.at(leap, BERLIN) == Opening(is_open=True, changes=at("2026-03-29T03:15"))
    gone = parse_schedule("02:15-02:45")
    assert gone.at(night, BERLIN) == Opening(is_open=False, changes=at("2026-03-30T02:15"))


def test_an_hour_that_the_clock_passes_twice_is_one_window():
    schedule = parse_schedule("01:30-02:30")
    opens = at("2026-10-25T01:30")
    closes = UnixSeconds(int(datetime(2026, 10, 25, 1, 30, tzinfo=UTC).timestamp()))
    assert schedule.at(opens, BERLIN) == Opening(is_open=True, changes=closes)
    assert closes - opens == 2 * 3_600


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("always", ALWAYS_OPEN.windows),
        ("never", ()),
        ("every day all day", ALWAYS_OPEN.windows),
        ("08:00-18:00", (ScheduleWindow(EVERY_DAY, 480, 1_080),)),
        ("Mon-Fri 22:00 - 07:00", (ScheduleWindow(frozenset(range(5)), 1_320, 1_860),)),
        ("mon wed FRIDAY 0:00-24:00", (ScheduleWindow(frozenset((0, 2, 4)), 0, 1_440),)),
        ("fri - mon all day", (ScheduleWindow(frozenset((4, 5, 6, 0)), 0, 1_440),)),
        ("weekend 09:00-09:00", (ScheduleWindow(frozenset((5, 6)), 540, 1_980),)),
        (
            "weekdays 12:00-13:00; weekdays 22:00-07:00",
            (
                ScheduleWindow(frozenset(range(5)), 720, 780),
                ScheduleWindow(frozenset(range(5)), 1_320, 1_860),
            ),
        ),
    ],
)
def test_how_a_schedule_is_written(text, meant):
    assert parse_schedule(text).windows == meant
    assert parse_schedule(parse_schedule(text).text) == parse_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ",",
        "22:00",
        "22-07",
        "mon",
        "someday all day",
        "mo all day",
        "monn 08:00-09:00",
        "mon-xyz all day",
        "08:00-25:00",
        "08:60-09:00",
        "24:00-08:00",
        "24:30-08:00",
        "weekdays 22:00-07:00,",
        "\u0662\u0662:00-07:00",
        "x" * 10_000,
        ",".join(["08:00-09:00"] * (MOST_WINDOWS + 1)),
    ],
)
def test_what_is_no_schedule_is_refused_with_how_to_write_one(text):
    with pytest.raises(BadTime, match=r"always|windows at most") as caught:
        parse_schedule(text)
    assert len(str(caught.value)) < 300


@given(st.text(max_size=40))
def test_whatever_is_typed_is_a_schedule_or_refused(text):
    try:
        parse_schedule(text)
    except BadTime:
        return


def test_always_is_for_ever_and_never_too():
    now = at("2026-03-29T01:00")
    assert ALWAYS_OPEN.at(now, BERLIN) == Opening(is_open=True, changes=None)
    never = parse_schedule("never")
    assert never.at(now, BERLIN) == Opening(is_open=False, changes=None)
    assert (never.minutes_a_week, never.longest) == (0, 0)
    assert (ALWAYS_OPEN.minutes_a_week, ALWAYS_OPEN.longest) == (MINUTES_A_WEEK, None)
