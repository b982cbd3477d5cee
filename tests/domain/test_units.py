"""Amounts are read and written exactly, or refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolhand.domain.errors import BadAmount
from poolhand.domain.units import (
    NanoRlc,
    Wei,
    parse_coin,
    parse_gas_price,
    parse_rlc,
    show_coin,
    show_duration,
    show_gas_price,
    show_moment,
    show_rlc,
)


@given(st.integers(0, 10**27))
def test_what_is_shown_is_read(amount):
    assert parse_rlc(show_rlc(NanoRlc(amount))) == amount
    assert parse_rlc(f"{amount} nRLC") == amount


@given(st.decimals(0, 10**12, places=9, allow_nan=False))
def test_nine_decimals_are_exact(value):
    assert parse_rlc(f"{value:f} RLC") == int(value.scaleb(9))


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1.5", 1_500_000_000),
        (" 1.5 RLC ", 1_500_000_000),
        ("0", 0),
        ("0.000000001", 1),
        (".5", 500_000_000),
        ("1500 nrlc", 1500),
        ("0.3RLC", 300_000_000),
        ("300000000nRLC", 300_000_000),
        ("1.50000000000 RLC", 1_500_000_000),
        ("87000000", 87_000_000 * 10**9),
    ],
)
def test_amounts_are_read(text, amount):
    assert parse_rlc(text) == amount


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "RLC",
        ".",
        "1.",
        "-1",
        "+1",
        "1,5",
        "1_000",
        "1e3",
        "1e999999999",
        "NaN",
        "sNaN",
        "Infinity",
        "0x10",
        "١",
        "0.0000000001",
        "1.0000000000000000000000000001",
        "1.5 nRLC",
        "1 ETH",
        "1 RLC RLC",
        "9" * 100,
    ],
)
def test_everything_else_is_refused_with_advice(text):
    with pytest.raises(BadAmount, match="write RLC"):
        parse_rlc(text)


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_refused(text):
    with suppress(BadAmount):
        assert parse_rlc(text) >= 0


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0.000000001"), (-1_500_000_000, "-1.5"), (10**10, "10")],
)
def test_rlc_is_shown_without_trailing_zeros(amount, text):
    assert show_rlc(NanoRlc(amount)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1, "0." + "0" * 17 + "1"), (10**18, "1"), (15 * 10**17, "1.5"), (10**20, "100")],
)
def test_coin_is_shown_without_trailing_zeros(amount, text):
    assert show_coin(Wei(amount)) == text


@pytest.mark.case("E10")
@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("22gwei", 22 * 10**9),
        ("0.1 gwei", 10**8),
        ("22000000000", 22 * 10**9),
        ("22_000_000_000", 22 * 10**9),
        ("1wei", 1),
        ("0", 0),
    ],
)
def test_a_gas_price_is_read_as_people_write_it_and_a_plain_number_is_wei(text, amount):
    assert parse_gas_price(text) == amount


@pytest.mark.parametrize(
    ("text", "amount"),
    [("0.01 ETH", 10**16), ("2xRLC", 2 * 10**18), ("0.01", 10**16), ("20gwei", 2 * 10**10)],
)
def test_coin_is_read_with_the_names_that_people_give_it(text, amount):
    assert parse_coin(text) == amount


@pytest.mark.parametrize("text", ["", "gwei", "1.5", "1.5 wei", "22 RLC", "1e9", "-1", "22 g wei"])
def test_what_is_no_gas_price_is_refused_with_advice(text):
    with pytest.raises(BadAmount, match="write a price of gas such as '22gwei'"):
        parse_gas_price(text)


@given(st.integers(0, 10**12))
def test_a_gas_price_that_is_shown_is_read(price):
    assert parse_gas_price(show_gas_price(Wei(price))) == price


@pytest.mark.parametrize(
    ("price", "text"), [(22 * 10**9, "22 gwei"), (1, "1 wei"), (10**7, "0.01 gwei"), (0, "0 gwei")]
)
def test_a_gas_price_is_shown_in_gwei_unless_it_is_next_to_nothing(price, text):
    assert show_gas_price(Wei(price)) == text


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (7199, "1 hour"),
        (7200, "2 hours"),
        (86_400, "1 day"),
        (200_000, "2 days"),
    ],
)
def test_a_duration_is_told_in_its_largest_whole_unit(seconds, told):
    assert show_duration(seconds) == told


def test_a_moment_is_told_in_utc_and_what_is_none_stays_a_number():
    assert show_moment(1_700_000_000) == "2023-11-14 22:13:20 UTC"
    assert show_moment(10**18) == f"{10**18} UTC"
