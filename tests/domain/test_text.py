"""Texts of strangers: refused where they may not be, escaped where a person reads them."""

import re
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.text import UnfitText, checked, is_plain, is_well_formed, shown

ANY = st.text(st.characters(codec=None), max_size=60)
"""Any ``str`` at all, halves of surrogate pairs among them."""
HOSTILE = [
    "\ud800",
    "\udfff",
    b"caf\xe9".decode("utf-8", "surrogateescape"),
    "\x1b[2J",
    "\x9b31m",
    "\x00",
    "\x7f",
    "\r",
    "\u202egpj.exe",
    "\u2066",
    "\u200b",
    "\u2028",
    "\ufeff",
    "\U000e0041",
    "\u3164",
]


@given(ANY)
def test_well_formed_is_what_an_encoder_takes(text):
    encoded = re.sub("[\ud800-\udfff]", "", text)
    assert is_well_formed(text) == (encoded == text)
    assert is_well_formed(encoded)


def test_every_category_that_hides_is_covered_by_this_python():
    hiding = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    missed = [
        code
        for code in range(sys.maxunicode + 1)
        if unicodedata.category(chr(code)) in hiding and is_plain(chr(code))
    ]
    assert missed == []


@pytest.mark.parametrize("text", HOSTILE)
def test_what_commands_or_hides_is_refused_by_name(text):
    with pytest.raises(UnfitText, match=r"^the reason "):
        checked(text, "the reason", 100)


@pytest.mark.parametrize("text", HOSTILE)
def test_lines_allow_line_feed_and_tab_only(text):
    assert not is_plain(f"a\n\t{text}", lines=True)


def test_ordinary_texts_of_any_script_pass():
    for text in ("Grüße, 東京 مرحبا результат ñandú 👍❤️", "", "a b"):
        assert checked(text, "it", 100) == text == shown(text)
    assert checked("one\n\ttwo", "it", 10, lines=True) == "one\n\ttwo"


def test_a_long_text_is_refused_with_both_numbers():
    with pytest.raises(UnfitText, match="11 characters, at most 10"):
        checked("x" * 11, "it", 10)


@given(ANY, st.booleans())
def test_whatever_is_shown_can_be_encoded_and_commands_nothing(text, lines):
    told = shown(text, lines=lines)
    assert is_well_formed(told)
    assert is_plain(told, lines=lines)
    assert shown(told, lines=lines) == told


@given(ANY, st.integers(1, 20), st.booleans())
def test_a_cut_is_told_and_keeps_the_limit(text, most, lines):
    told = shown(text, most, lines=lines)
    assert len(told) <= most
    assert told == shown(text, lines=lines) or told.endswith("…")


def test_escapes_say_what_was_there():
    assert shown("\x1b[31mred\ud800\u202e\n") == r"\x1b[31mred\ud800\u202e\n"
    assert shown("a\r\nb\rc\td", lines=True) == "a\nb\\rc\td"
