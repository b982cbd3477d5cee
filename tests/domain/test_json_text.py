"""JSON of strangers: parsed as usual, or refused before it can harm."""

import json
import sys
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from many import examples
from poolhand.domain.json_text import MAX_JSON_DEPTH, HalfPair, parse_json
from poolhand.domain.text import is_well_formed

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@settings(max_examples=examples(50))
@given(JSON)
def test_ordinary_json_is_read_as_ever(value):
    assert parse_json(json.dumps(value)) == parse_json(json.dumps(value).encode()) == value


@pytest.fixture
def boundless():
    """The recursion limit as a library of ours leaves it: no guard of the C stack."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("boundless")
@pytest.mark.parametrize("opener", ["[", '{"a":', '[{"a":['])
def test_a_pit_of_brackets_is_refused_whatever_the_recursion_limit(opener):
    for text in (opener * 50_000, opener * (MAX_JSON_DEPTH + 1)):
        with pytest.raises(ValueError, match="nested deeper"):
            parse_json(text)


def test_depth_is_measured_not_counted():
    wide = json.dumps([[[]]] * 1000)
    assert parse_json(wide) == [[[]]] * 1000
    deepest = "[" * MAX_JSON_DEPTH + "]" * MAX_JSON_DEPTH
    assert json.dumps(parse_json(deepest)) == deepest


def test_brackets_inside_of_texts_do_not_count():
    value = {"a": "[" * 1000, 'b"\\': '{"' * 1000}
    assert parse_json(json.dumps(value)) == value


def test_unclosed_texts_cost_linear_time():
    with pytest.raises(ValueError, match="Unterminated"):
        parse_json("[" * MAX_JSON_DEPTH + '"' + '\\"[' * 300_000)


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_a_value_error(raw):
    with suppress(ValueError):
        parse_json(raw)


HALVES = [
    r'"\ud800"',
    r'"\uDFFF"',
    r'"\udc00\ud800"',
    r'{"\ud800":1}',
    r'[[{"a":["\ud8000"]}]]',
    r'"\\\ud800"',
]


@pytest.mark.case("A1")
@pytest.mark.parametrize("text", HALVES)
def test_half_of_a_surrogate_pair_is_refused_wherever_it_stands(text):
    for given_as in (text, text.encode()):
        with pytest.raises(HalfPair):
            parse_json(given_as)


def test_whole_pairs_and_escaped_backslashes_are_read():
    assert parse_json(r'["\ud83d\ude00","\\ud800"]') == ["😀", r"\ud800"]


def test_a_half_that_was_not_escaped_is_refused_too():
    with pytest.raises(HalfPair):
        parse_json('["\ud800"]')


@given(
    st.lists(st.sampled_from(['"', "\\", "u", "d8", "dc", "00", ",", "[", "]", "a"]), max_size=12)
)
def test_what_is_read_can_be_written_again(parts):
    with suppress(ValueError):
        assert is_well_formed(json.dumps(parse_json("".join(parts)), ensure_ascii=False))


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", "-Infinity", "1e999", '{"a":-1e999}', "9" * 5_000]
)
def test_what_is_no_number_is_refused(text):
    with pytest.raises(ValueError, match=r"number|digits"):
        parse_json(text)
