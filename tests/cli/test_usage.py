"""What was typed wrongly is told in our words, whichever library noticed it."""

from __future__ import annotations

import re

import pytest

from poolhand.cli.reference import commands

THEIRS = re.compile(
    r"Input should|Invalid value|No such (opt|com)|Missing (arg|opt)|unable to parse|unexpected extra|"
    r"requires an argument|does not take|\bctx\b|pydantic|click"
)


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("devnet up --workers x", "--workers takes a whole number, not 'x'"),
        ("devnet up --block-time 1.5", "--block-time takes a whole number, not '1.5'"),
        ("devnet up --block-time -1", "--block-time takes 1 or more, not -1"),
        ("run IMAGE --tasks 0", "--tasks takes 1 or more, not 0"),
        ("devnet up --workrs 3", "there is no option --workrs; perhaps --workers"),
        ("devnet up --qqqq", "there is no option --qqqq"),
        ("devnet upp", "there is no command 'upp'; perhaps 'up'"),
        ("qqqq", "there is no command 'qqqq'"),
        ("run", "IMAGE|APP is missing"),
        ("run a b", "too much was given: b"),
        ("run a --args", "--args takes a value"),
        ("wallet show --json=1", "--json takes no value"),
        ("account show --blocks", "there is no option --blocks"),
    ],
)
def test_a_slip_is_told_in_our_words(cli, typed, told):
    ran = cli(*typed.split())
    assert ran.code == 2
    assert ran.err.splitlines()[-1] == f"error: {told} (see --help)"
    assert not THEIRS.search(ran.err)


def test_every_number_that_a_verb_takes_is_asked_for_in_our_words(cli):
    """Options of every verb that take a number are given a word."""
    asked = 0
    for words, option in _numbers():
        ran = cli(*words, option, "many")
        assert not THEIRS.search(ran.err), ran.err
        asked += f"{option} takes a" in ran.err
    assert asked > 10


def _numbers():
    for words, command in commands().items():
        arguments = [each for each in command.params if each.param_type_name == "argument"]
        needed = ["x" for each in arguments if each.required]
        for each in command.params:
            if each.param_type_name == "option" and each.metavar == "N":
                yield [*words.split(), *needed], each.opts[0]


@pytest.mark.parametrize("noun", sorted({name.rpartition(" ")[0] for name in commands()} - {""}))
def test_a_noun_lists_its_verbs_with_whole_sentences_on_80_columns(cli, noun):
    shown = cli(*noun.split(), "--help").out
    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 80


@pytest.mark.parametrize(("content", "told"), [(None, "No such file or directory"), ("{", "JSON")])
def test_a_file_that_holds_no_order_is_told_without_the_words_of_python(
    cli, tmp_path, content, told
):
    file = tmp_path / "order.json"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    ran = cli("order", "check", str(file))
    assert ran.code == 2
    assert told in ran.err
    assert str(file) in ran.err
    assert "Errno" not in ran.err


@pytest.mark.parametrize("words", list(commands()))
def test_help_fits_80_columns_and_names_no_type_of_python(cli, words):
    lines = cli(*words.split(), "--help").out.splitlines()
    assert not [line for line in lines if re.search(r"<(str|int|list|float|bool|Address)\b", line)]
    to_be_copied = "    poolhand "
    assert not [line for line in lines if len(line) > 80 and not line.startswith(to_be_copied)]
