"""Durations and moments as an operator types them, on days when the clock is set as well."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.availability.moments import (
    DAY,
    LONGEST_PAUSE_OF_WORK,
    BadTime,
    parse_duration,
    parse_moment,
)
from poolhand.domain.units import UnixSeconds

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
LORD_HOWE, KOLKATA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Asia/Kolkata")
ZONES = st.sampled_from((UTC, BERLIN, NEW_YORK, LORD_HOWE, KOLKATA))
NOWS = st.integers(1_500_000_000, 2_000_000_000).map(UnixSeconds)


def at(text: str, zone=BERLIN) -> UnixSeconds:
    return UnixSeconds(int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp()))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("3h", 10_800),
        ("90m", 5_400),
        ("1h30m", 5_400),
        ("1h 30m", 5_400),
        ("2D", 172_800),
        ("45s", 45),
        ("366d", LONGEST_PAUSE_OF_WORK),
    ],
)
def test_a_duration_is_read(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "3", "h", "0h", "-3h", "1.5h", "30m1h", "367d", "٣h", "3h\x1b["]
)
def test_what_is_no_duration_is_refused_with_what_to_write(text):
    with pytest.raises(BadTime, match=r"write 90m|between a second and a year") as fault:
        parse_duration(text)
    assert "\x1b" not in str(fault.value)


def test_a_time_of_day_is_the_next_one():
    now = at("2026-11-30 06:30")
    assert parse_moment("08:00", now, BERLIN) == at("2026-11-30 08:00")
    assert parse_moment("06:30", now, BERLIN) == at("2026-12-01 06:30")
    assert parse_moment("6:00", now, BERLIN) == at("2026-12-01 06:00")


def test_a_day_may_be_named():
    now = at("2026-11-30 06:30")
    assert parse_moment("2026-12-24 08:00", now, BERLIN) == at("2026-12-24 08:00")
    assert parse_moment("2026-12-24T08:00", now, BERLIN) == at("2026-12-24 08:00")


def test_a_time_that_the_clock_leaps_over_comes_as_long_after_the_leap():
    now = at("2026-03-28 12:00")
    assert parse_moment("2026-03-29 02:30", now, BERLIN) == at("2026-03-29 03:30")
    assert parse_moment("02:30", now, BERLIN) == at("2026-03-29 03:30")


def test_a_time_that_the_clock_passes_twice_is_the_first_to_come():
    first = at("2026-10-25 00:30") + 2 * 3_600
    assert parse_moment("02:30", UnixSeconds(first - 60), BERLIN) == first
    assert parse_moment("02:30", first, BERLIN) == first + 3_600
    assert parse_moment("02:30", UnixSeconds(first + 3_600), BERLIN) == at("2026-10-26 02:30")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is no time"),
        ("8", "is no time"),
        ("24:00", "is no time"),
        ("08:60", "is no time"),
        ("2026-02-30 08:00", "is no time"),
        ("08:00+02:00", "is no time"),
        ("9999-12-31 23:59", "over a year away"),
        ("0001-01-01 00:00", "is over|is no time"),
        ("2026-11-30 06:29", "is over"),
        ("2028-01-01 00:00", "over a year away"),
        ("tomorrow", "is no time"),
    ],
)
def test_what_is_no_time_to_come_is_refused(text, told):
    with pytest.raises(BadTime, match=told):
        parse_moment(text, at("2026-11-30 06:30"), BERLIN)


@given(now=NOWS, zone=ZONES, minute=st.integers(0, 1_439))
def test_any_time_of_day_comes_within_a_day_and_the_clock_shows_it_then(now, zone, minute):
    wanted = time(minute // 60, minute % 60)
    found = parse_moment(f"{wanted:%H:%M}", now, zone)
    assert now < found <= now + DAY + 3_600
    shown = datetime.fromtimestamp(found, zone)
    before = datetime.fromtimestamp(found - 2 * 3_600, zone)
    leapt = shown.utcoffset() != before.utcoffset()
    assert leapt or (shown.hour, shown.minute) == (wanted.hour, wanted.minute)


@given(now=NOWS, zone=ZONES, ahead=st.integers(120, LONGEST_PAUSE_OF_WORK - 120))
def test_a_moment_that_the_clock_shows_is_read_as_that_one_or_its_twin(now, zone, ahead):
    there = datetime.fromtimestamp(now + ahead, zone).replace(second=0, microsecond=0)
    found = parse_moment(f"{there:%Y-%m-%d %H:%M}", now, zone)
    assert found - now > 0
    assert datetime.fromtimestamp(found, zone).replace(fold=0) == there.replace(fold=0)


@given(text=st.text())
def test_any_text_is_a_time_or_refused(text):
    for read in (parse_duration, lambda each: parse_moment(each, UnixSeconds(1_764_000_000), UTC)):
        with suppress(BadTime):
            assert read(text) > 0
