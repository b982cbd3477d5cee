"""Lines of apps: colours may stay, commands never do."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.app_lines import clean_line, is_clean_line, without_colours
from poolhand.domain.text import is_plain

RED = "\x1b[31m"
_PIECES = st.sampled_from(
    [b"\x1b", b"[", b"]", b"31", b";", b"m", b"H", b"2J", b"\x07", b"\\", b"\r", b"\x9b", b"a",
     b"\t", b"\xff", "é".encode(), "\u202e".encode(), b"P", b"0;t", b"\x00"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        (b"hello", "hello"),
        (b"\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m"),
        (b"10 %\r20 %\r30 %", "30 %"),
        (b"done\r", "done"),
        (b"\x1b[2J\x1b[Hcleared", "cleared"),
        (b"\x1b]0;title\x07text", "text"),
        (b"\x1b]8;;http://evil.example\x1b\\link\x1b]8;;\x1b\\", "link"),
        (b"\x1bP1;2|x\x1b\\after", "after"),
        (b"bell\x07", r"bell\x07"),
        ("turned\u202earound".encode(), r"turned\u202earound"),
        (b"a\tb", "a\tb"),
        (b"\xff\xfe", "\ufffd\ufffd"),
    ],
)
def test_a_line_keeps_its_colours_and_nothing_that_commands(printed, told):
    assert clean_line(printed) == told
    assert is_clean_line(told)


def test_who_wants_no_colours_has_none():
    assert without_colours(f"{RED}red\x1b[0m and plain") == "red and plain"


@settings(max_examples=examples(300))
@given(st.lists(_PIECES | st.binary(max_size=6), max_size=30).map(b"".join))
def test_whatever_an_app_prints_nothing_commands_and_a_second_pass_changes_nothing(raw):
    line = clean_line(raw)
    assert is_clean_line(line)
    assert clean_line(line.encode()) == line
    assert is_plain(without_colours(line), lines=True)
    assert set(re.findall(r"\x1b.?", line)) <= {"\x1b["}


@pytest.mark.parametrize("text", ["a\nb", "\x1b[2J", "\x1b", "\ud800", "\u202e", "a\rb"])
def test_a_peers_line_that_is_not_clean_is_known_as_such(text):
    assert not is_clean_line(text)
