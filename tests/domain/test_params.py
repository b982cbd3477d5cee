"""Deal params and argument splitting (specification: scheduler-protocol 6.2 and 6.6)."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from vectors import PARAMS

from poolhand.domain.params import (
    MAX_URI,
    DealParams,
    LostArguments,
    UnfitParams,
    check_arguments,
    join_arguments,
    split_arguments,
)
from poolhand.domain.text import is_plain, is_well_formed

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)
URIS = TEXTS.filter(is_plain)
PARAMETERS = st.builds(
    DealParams,
    args=st.none() | TEXTS,
    input_files=st.lists(URIS, max_size=3).map(tuple),
    result_encryption=st.booleans(),
    storage_provider=st.none() | TEXTS,
    storage_proxy=st.none() | TEXTS,
    secrets=st.dictionaries(st.integers(1, 9).map(str), TEXTS, max_size=3),
    bulk_cid=st.just("") | TEXTS,
)


def test_the_sdks_text_is_read_and_written_the_same():
    read = DealParams.parse(PARAMS)
    assert read == DealParams(args="hello", storage_provider="ipfs")
    assert read.dump() == PARAMS


@given(PARAMETERS)
def test_what_is_written_is_read(params):
    assert DealParams.parse(params.dump()) == params


def test_every_member_is_read():
    text = json.dumps(
        {
            "iexec_args": "a b",
            "iexec_input_files": ["https://x/1", "https://x/2"],
            "iexec_result_encryption": True,
            "iexec_result_storage_provider": "dropbox",
            "iexec_result_storage_proxy": "https://proxy",
            "iexec_secrets": {"1": "name"},
            "bulk_cid": "Qm",
        }
    )
    assert DealParams.parse(text) == DealParams(
        "a b", ("https://x/1", "https://x/2"), True, "dropbox", "https://proxy", {"1": "name"}, "Qm"
    )


def test_input_files_may_be_one_text():
    read = DealParams.parse('{"iexec_input_files":"https://x/1, https://x/2,"}')
    assert read.input_files == ("https://x/1", "https://x/2")


@pytest.mark.parametrize(
    "text",
    [
        "hello world",
        '"hello"',
        "[1]",
        "12",
        "null",
        "{",
        '{"iexec_args":"x","surprise":1}',
        '{"iexec_args":1}',
        '{"iexec_input_files":[1]}',
        '{"iexec_input_files":{}}',
        '{"iexec_result_encryption":"yes"}',
        '{"iexec_secrets":[]}',
        "[" * 100_000,
    ],
)
def test_any_other_text_is_taken_whole_as_arguments(text):
    assert DealParams.parse(text) == DealParams(args=text)


def test_no_text_is_no_arguments():
    assert DealParams.parse("") == DealParams.parse("{}") == DealParams()
    assert DealParams().dump() == "{}"


def test_members_of_older_sdks_change_nothing():
    text = '{"iexec_args":"x","iexec_developer_logger":true,"iexec_tee_post_compute_image":"i"}'
    assert DealParams.parse(text) == DealParams(args="x")


@pytest.mark.case("A1")
@pytest.mark.parametrize(
    "text",
    [
        r'{"iexec_args":"x","iexec_input_files":["https://a\ud800b.example/x"]}',
        r'{"iexec_args":"\udfff"}',
        r'{"iexec_secrets":{"\ud800":"x"}}',
        "\ud800",
        r'{"iexec_args":"a\u0000b"}',
        "a\0b",
        r'{"iexec_input_files":["https://a\u202eb.example/x"]}',
        r'{"iexec_input_files":"https://a\u001b[2Jb.example/x"}',
        json.dumps({"iexec_input_files": ["https://x/" + "y" * MAX_URI]}),
    ],
)
def test_params_that_no_worker_could_act_on_are_refused_with_a_sentence(text):
    with pytest.raises(UnfitParams, match=r"^the params of the request") as caught:
        DealParams.parse(text)
    assert is_plain(str(caught.value))


@given(st.text(st.characters(codec=None)) | st.text('\\ud8dcf0[]{}:",', max_size=20))
def test_any_text_is_read_into_well_formed_ones_or_refused(text):
    try:
        params = DealParams.parse(text)
    except UnfitParams:
        return
    for each in (params.args or "", *params.input_files):
        assert is_well_formed(each)


def test_arguments_may_hold_lines_and_whole_pairs():
    assert DealParams.parse(r'{"iexec_args":"a\n\ud83d\ude00"}').args == "a\n😀"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ()),
        ("   ", ()),
        ("a b  c", ("a", "b", "c")),
        ("'a b' c", ("a b", "c")),
        ('"a b" c', ("a b", "c")),
        ("""'say "hi"' "it's" """, ('say "hi"', "it's")),
        ("a'b c'd", ("ab cd",)),
        ("'' x \"\"", ("x",)),
        ("' '", (" ",)),
        (r"a\ b", ("a\\", "b")),
        ("a\tb\nc", ("a\tb\nc",)),
        ("it's", ()),
        ('a "b', ()),
        ("--flag='x y' --z", ("--flag=x y", "--z")),
    ],
)
def test_arguments_split_as_the_java_worker_does(line, words):
    assert split_arguments(line) == words


@given(st.lists(st.text(st.characters(exclude_characters="'\""), min_size=1), max_size=5))
def test_quoted_words_come_back(words):
    assert split_arguments(" ".join(f"'{word}'" for word in words)) == tuple(words)


# -------------------------------------------------------------------- what a buyer is about to pay


@pytest.mark.case("D4")
@pytest.mark.parametrize(
    "text", ["it's me", 'a "b', "''", "x '' y", 'x ""', "--name=x ''", r"say \"hi\"", r"it\'s o'k"]
)
def test_what_workers_would_lose_is_refused_before_it_is_paid(text):
    with pytest.raises(LostArguments):
        check_arguments(text)


@pytest.mark.case("D4")
@pytest.mark.parametrize(
    "text", ["", "  ", "--top 5", "'a b' c", "a'' b", "''' '", r"C:\dir", "'\"\"'", '"it\'s" me']
)
def test_what_reaches_the_app_is_told_as_it_will_get_it(text):
    assert check_arguments(text) == split_arguments(text)


@pytest.mark.case("D4")
@given(st.lists(st.text(min_size=1, max_size=8) | st.text("'\" \\a", min_size=1), max_size=5))
def test_words_given_one_by_one_reach_the_app_as_they_are(words):
    assert split_arguments(join_arguments(words)) == tuple(words)


def test_an_empty_word_cannot_be_given():
    with pytest.raises(LostArguments):
        join_arguments(["a", ""])
