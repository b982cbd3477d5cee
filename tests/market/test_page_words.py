"""How amounts, moments and ids stand on a page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.market.pages import words
from poolhand.transport.page.words import amount, coin, span


@pytest.mark.parametrize(
    ("nrlc", "told"),
    [
        (0, "0 RLC"),
        (1, "1 nRLC"),
        (99_999, "99,999 nRLC"),
        (100_000, "0.0001 RLC"),
        (1_500_000_000, "1.5 RLC"),
        (1_234_567_000_000_001, "1,234,567.000000001 RLC"),
        (-1_500_000_000, "-1.5 RLC"),
        (-500_000_000, "-0.5 RLC"),
        (None, "–"),
    ],
)
def test_an_amount_is_told_exactly_and_in_a_unit_that_can_be_read(nrlc, told):
    assert amount(nrlc).replace("\xa0", " ") == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (59, "59 s"), (300, "5 min"), (3_905, "1 h 5 min"), (90_061, "1 d 1 h")],
)
def test_a_duration_has_at_most_two_units(seconds, told):
    assert span(seconds).replace("\xa0", " ") == told


@pytest.mark.parametrize(
    ("wei", "told"),
    [
        (0, "0 coin"),
        (1, "0.000000000000000001 coin"),
        (860_125_003_853_36, "0.0000860125 coin"),
        (9_999_997_901_309_988_440_004, "10,000 coin"),
        (1_500_000_000_000_000_000, "1.5 coin"),
        (1_234_567_890_000_000_000_000_000, "1,234,570 coin"),
        (None, "–"),
    ],
)
def test_coin_is_told_in_a_few_digits(wei, told):
    assert coin(wei).replace("\xa0", " ") == told


def test_what_gas_takes_at_most_is_told_as_no_less():
    assert coin(1_000_001 * 10**12, at_most=True).replace("\xa0", " ") == "1.00001 coin"


def test_a_moment_is_told_in_utc():
    assert words.moment("2026-11-08T16:02:11.500Z") == "8 Nov 2026, 16:02:11"
    assert words.clock("2026-11-08T16:02:11+02:00") == "14:02:11"


def test_what_no_order_ever_reaches_is_no_number():
    assert (words.number(2**53 - 1), words.number(1234)) == ("no limit", "1,234")


def test_a_tag_is_told_in_words_and_unknown_bits_by_number():
    assert words.tags("0x" + "00" * 32) == "none"
    assert words.tags("0x" + "00" * 31 + "03") == "tee, scone"
    assert words.tags("0x" + "00" * 31 + "80") == "bit 7"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("https://results.example/a.zip", True),
        ("http://127.0.0.1:1/a", True),
        ("javascript:alert(1)", False),
        ("data:text/html,x", False),
        ("https://", False),
        ("//host/x", False),
        ("http://[", False),
    ],
)
def test_only_what_leads_to_the_web_becomes_a_link(text, is_one):
    assert words.is_link(text) is is_one


@given(st.one_of(st.none(), st.text(), st.integers(), st.floats(), st.lists(st.integers())))
def test_whatever_an_answer_holds_can_be_shown(value):
    for write in (
        amount, words.number, words.moment, words.clock, span, words.short, words.tags,
    ):  # fmt: skip
        assert isinstance(write(value), str)
    assert isinstance(words.is_link(value), bool)
    assert isinstance(words.is_nobody(value), bool)


def test_a_share_that_was_not_read_is_no_share():
    pool = {"schedulerRewardRatio": 1}
    assert words.percent(words.workers_share(pool)).replace("\xa0", " ") == "99 %"
    assert words.percent(words.workers_share({"schedulerRewardRatio": None})) == "–"


@pytest.mark.parametrize(
    ("trust", "told"),
    [
        (0, "the word of one worker"),
        (1, "the word of one worker"),
        (10, "at least 90 % sure that the result is right"),
        (1000, "at least 99.9 % sure that the result is right"),
    ],
)
def test_a_trust_is_told_as_how_sure_a_result_is(trust, told):
    assert words.confidence(trust).replace("\xa0", " ") == told
