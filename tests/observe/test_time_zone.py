"""Whose summer time the computer's clock keeps."""

from __future__ import annotations

from datetime import UTC, datetime

from poolhand.observe.time_zone import local_zone

SUMMER, WINTER = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)


def hours(zone, at) -> float:
    return at.astimezone(zone).utcoffset().total_seconds() / 3_600


def test_a_zone_that_is_named_is_taken_with_its_summer_time():
    for name in ("Europe/Berlin", ":Europe/Berlin"):
        zone = local_zone({"TZ": name})
        assert (hours(zone, SUMMER), hours(zone, WINTER)) == (2, 1)


def test_what_names_no_zone_is_read_as_the_system_does():
    for name in ("no such zone", "../etc/passwd", "/etc/shadow", "\x00"):
        assert local_zone({"TZ": name}).utcoffset(SUMMER) is not None


def test_without_a_name_the_computers_own_is_taken():
    now = datetime.now(UTC)
    assert now.astimezone(local_zone({})).utcoffset() is not None
