"""Every example of ``--help`` can be typed: it names its command and says everything it asks for."""

from __future__ import annotations

import re
import shlex

import pytest
import typer

from poolhand.cli.plain import examples_kept
from poolhand.cli.reference import commands

COMMANDS = commands()
EXAMPLES = re.compile(r"Examples?:(.*?)(?:\n\s*\n|\Z)", re.DOTALL)


def examples(words, width=80):
    """Return the lines that a terminal shows as a command's examples, continued ones joined."""
    command = COMMANDS[words]
    context = typer.Context(command, info_name=words, terminal_width=width)
    blocks = "\n".join(EXAMPLES.findall(command.get_help(context)))
    joined = re.sub(r"\\\n\s*", "", blocks)
    return [line for each in joined.splitlines() if (line := each.strip())]


@pytest.mark.case("E3")
@pytest.mark.parametrize("words", COMMANDS)
def test_a_help_has_an_example_that_its_command_takes(words):
    lines = examples(words)
    assert lines
    for line in lines:
        assert line.startswith(f"poolhand {words}"), line
        typed = shlex.split(line)[1 + len(words.split()) :]
        COMMANDS[words].make_context(words, typed)


@pytest.mark.case("E3")
@pytest.mark.parametrize("words", COMMANDS)
def test_an_example_leaves_nothing_to_be_filled_in(words):
    assert "…" not in "".join(examples(words))


@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("words", COMMANDS)
def test_an_example_is_the_same_on_every_terminal(words, width):
    assert examples(words, width) == examples(words, 10_000)


def test_an_example_keeps_its_lines():
    kept = examples_kept("Tells.\n\nExamples:\n  one\n  two\n\nExit codes: 0")
    assert kept == "Tells.\n\n\b\nExamples:\n  one\n  two\n\nExit codes: 0"
