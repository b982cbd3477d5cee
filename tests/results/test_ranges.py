"""Which part of an archive a download asks for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.results.ranges import NoSuchRange, Part, asked_part

TAG = '"abc"'


def part(asked, size=10, **more):
    return asked_part({"range": asked, **more}, size, TAG)


@pytest.mark.parametrize(
    ("asked", "first", "count"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=2-5", 2, 4),
        ("bytes=2-", 2, 8),
        ("bytes=2-99", 2, 8),
        ("bytes=-3", 7, 3),
        ("bytes=-99", 0, 10),
    ],
)
def test_one_range_is_served(asked, first, count):
    found = part(asked)
    assert (found.first, found.count, found.status) == (first, count, 206)
    assert found.headers == {"Content-Range": f"bytes {first}-{first + count - 1}/10"}


@pytest.mark.parametrize("asked", ["", "bytes=-", "bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "x"])
def test_whatever_else_is_asked_for_gets_all(asked):
    found = part(asked)
    assert (found, found.status, found.headers) == (Part(0, 10, 10), 200, {})


@pytest.mark.parametrize("asked", ["bytes=10-", "bytes=99-100", "bytes=-0"])
def test_a_range_behind_the_end_is_refused(asked):
    with pytest.raises(NoSuchRange, match="10 bytes"):
        part(asked)


def test_a_range_of_an_archive_that_is_there_no_more_gets_all():
    assert part("bytes=2-5", **{"if-range": TAG}).is_range
    assert part("bytes=2-5", **{"if-range": '"other"'}) == Part(0, 10, 10)


@given(st.text(max_size=30) | st.from_regex(r"bytes=[0-9]{0,20}-[0-9]{0,20}"), st.integers(1, 99))
def test_no_request_is_answered_beyond_the_archive(asked, size):
    try:
        found = part(asked, size)
    except NoSuchRange:
        return
    assert 0 <= found.first < found.first + found.count <= size
