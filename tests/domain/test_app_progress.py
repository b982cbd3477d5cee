"""What an app reports of itself: a stranger's file, so anything may be in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.app_progress import MOST_PROGRESS_WORDS, WHOLE, AppProgress, read_progress
from poolhand.domain.text import is_plain


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"0.25 epoch 3 of 12\n", AppProgress(250_000, "epoch 3 of 12")),
        (b"1", AppProgress(WHOLE, "")),
        (b"1.000", AppProgress(WHOLE, "")),
        (b"0", AppProgress(0, "")),
        (b"0.9999999 nearly", AppProgress(999_999, "nearly")),
        (b"0.5\nsecond line", AppProgress(500_000, "")),
        (b"1.5 too far", AppProgress(None, "1.5 too far")),
        (b"-0.5", AppProgress(None, "-0.5")),
        (b"NaN", AppProgress(None, "NaN")),
        (b"1e-1", AppProgress(None, "1e-1")),
        (b"inf", AppProgress(None, "inf")),
        (b"7 of 9", AppProgress(None, "7 of 9")),
        (b"loading", AppProgress(None, "loading")),
        (b"0.5 \x1b[2Jcleared", AppProgress(500_000, r"\x1b[2Jcleared")),
        (b"", None),
        (b"\n0.5", None),
        (b" \t ", None),
    ],
)
def test_a_fraction_and_a_line_are_read_and_nothing_else(content, told):
    assert read_progress(content) == told


@settings(max_examples=examples(300))
@given(
    st.binary(max_size=9_000)
    | st.text(st.characters(exclude_categories=("Cs",)), max_size=400).map(str.encode)
)
def test_whatever_is_in_the_file_a_person_may_read_what_is_told(content):
    told = read_progress(content)
    if told is not None:
        assert told.millionths is None or 0 <= told.millionths <= WHOLE
        assert is_plain(told.words)
        assert len(told.words) <= MOST_PROGRESS_WORDS
