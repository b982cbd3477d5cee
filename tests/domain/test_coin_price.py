"""What a coin is worth, read out of anybody's answer, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.coin_price import PriceFeed, parse_price_feed, read_coin_price
from poolhand.domain.errors import Malformed
from poolhand.domain.units import ALL_RLC, NANO_PER_RLC

URL = "https://prices.example/v1?ids=ethereum,iexec-rlc"
BOTH = PriceFeed(URL, "/ethereum/usd", "/iexec-rlc/usd")
ONE = PriceFeed(URL, "/0/rlc")


def answer(told):
    return json.dumps(told).encode()


def test_a_feed_is_an_address_and_one_place_or_two():
    assert parse_price_feed("") is None
    assert parse_price_feed(f"{URL} /ethereum/usd  /iexec-rlc/usd") == BOTH
    assert parse_price_feed(f"{URL} /0/rlc") == ONE
    assert parse_price_feed("http://127.0.0.1:8/p /a") == PriceFeed("http://127.0.0.1:8/p", "/a")


@pytest.mark.parametrize(
    "text",
    [URL, f"{URL} a", f"{URL} /a /b /c", "http://prices.example /a", "ftp://x /a", "https:// /a",
     "https://h:99999/ /a", "file:///etc/passwd /a"],
)  # fmt: skip
def test_what_is_no_feed_is_refused_where_it_is_typed(text):
    with pytest.raises(ValueError, match="https://"):
        parse_price_feed(text)


def test_a_coins_price_is_that_of_the_coin_over_that_of_rlc_rounded_up():
    told = answer({"ethereum": {"usd": 3000.5}, "iexec-rlc": {"usd": 0.9}})
    assert read_coin_price(BOTH, told) == 3_333_888_888_889
    assert read_coin_price(ONE, answer([{"rlc": "2.5"}])) == 2_500_000_000
    assert read_coin_price(PriceFeed(URL, "/a~1b/c~0"), answer({"a/b": {"c~": 2}})) == 2 * 10**9


@pytest.mark.parametrize(
    "told",
    [b"", b"<html>", b"[]", b"{}", b"\xff", b'[{"rlc": null}]', b'[{"rlc": true}]',
     b'[{"rlc": 0}]', b'[{"rlc": -1}]', b'[{"rlc": "NaN"}]', b'[{"rlc": "1e999"}]',
     b'[{"rlc": 1e-300}]', b'[{"rlc": 1e11}]', b'[{"rlc": [1]}]', b"[" * 500],
)  # fmt: skip
def test_an_answer_without_a_price_is_refused(told):
    with pytest.raises(Malformed):
        read_coin_price(ONE, told)


@settings(max_examples=examples(200))
@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(
        st.sampled_from(["rlc", "0", "ethereum", "usd", "iexec-rlc"]), inner, max_size=3),
    max_leaves=8,
))  # fmt: skip
def test_any_answer_gives_a_price_that_something_could_cost_or_is_refused(told):
    for feed in (ONE, BOTH):
        try:
            found = read_coin_price(feed, answer(told))
        except Malformed:
            continue
        assert 1 <= found <= ALL_RLC + NANO_PER_RLC
