"""Nothing that a person reads commands the terminal, whoever wrote it."""

from __future__ import annotations

import ast
import io
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

import poolhand.cli
from poolhand.cli.faults import tell, tell_bug
from poolhand.cli.render import grid, pairs
from poolhand.cli.saying import say
from poolhand.cli.terminal import Console
from poolhand.domain.text import is_plain

CLI = Path(poolhand.cli.__file__).parent
ANY = st.text(st.characters(codec=None), max_size=60)
EVIL = "\x1b[2J\x1b]0;pwned\x07\ud800\u202egpj\x9b31m[red]no[/nothing]"


def table(words):
    made = Table(words, title=words)
    made.add_row(words)
    return made


PAGES = {
    "a sentence": lambda words: words,
    "a text": Text,
    "pairs": lambda words: pairs([("name", words)], words),
    "a grid": lambda words: grid(("column", "other"), [(words, words)], words),
    "a table": table,
    "nested": lambda words: Group(Padding(Panel(Text(words), title="x"), 1), table(words)),
}


@pytest.mark.case("A11")
@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("words", [EVIL, "\x1b[31m\n\r\x08", "[/nothing]"])
def test_no_page_gives_a_command_to_the_terminal(page, words):
    out = io.StringIO()
    Console(file=out, width=200).print(PAGES[page](words))
    assert is_plain(out.getvalue(), lines=True)
    assert "nothing" in out.getvalue() or "nothing" not in words, "markup of a stranger was taken"


@pytest.mark.case("A11")
@given(ANY, st.sampled_from(sorted(PAGES)))
def test_whatever_is_shown_on_whatever_page_is_plain(words, page):
    out = io.StringIO()
    Console(file=out, width=80).print(PAGES[page](words))
    assert is_plain(out.getvalue(), lines=True)


def test_our_own_styles_still_reach_a_terminal():
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard").print(Text("red", style="red"))
    assert out.getvalue() == "\x1b[31mred\x1b[0m\n"


@pytest.mark.case("A11")
def test_errors_and_notes_are_escaped(capsys):
    say(EVIL)
    tell("code", EVIL, as_json=False)
    told = capsys.readouterr()
    assert is_plain(told.err, lines=True)
    assert told.err.count("pwned") == 2


def test_a_bug_with_hostile_words_and_arguments_still_gets_its_trace(capsys):
    assert tell_bug(ValueError(EVIL), ["run", "\udcff"], as_json=False) == 70
    told = capsys.readouterr().err
    assert is_plain(told, lines=True)
    assert "Report it with" in told
    Path(told.rsplit("Report it with ", 1)[1].strip()).unlink()


def test_an_argument_that_is_no_text_is_refused_before_anything(cli):
    ran = cli("task", "show", "caf\udce9")
    assert (ran.code, ran.err) == (2, "error: argument 3 is not valid UTF-8: type it again\n")


def calls(tree):
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call)]


def test_no_module_of_the_command_line_writes_past_the_guard():
    """Pages go through our console, lines through ``say``; ``print`` is for JSON, which escapes."""
    past = []
    for path in sorted(CLI.glob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        if path.name not in ("terminal.py", "saying.py"):
            past += [
                f"{path.name}:{call.lineno}"
                for call in calls(tree)
                if isinstance(call.func, ast.Name)
                and call.func.id == "print"
                and not _is_json(call)
            ]
            past += [
                f"{path.name}:{node.lineno} rich's console"
                for node in ast.walk(tree)
                if isinstance(node, ast.ImportFrom)
                and node.module == "rich.console"
                and "Console" in [each.name for each in node.names]
                and not _for_types(tree, node)
            ]
    assert past == []


def _is_json(call) -> bool:
    if not call.args:
        return True  # an empty line
    first = call.args[0]
    return (
        isinstance(first, ast.Call)
        and isinstance(first.func, ast.Attribute)
        and first.func.attr == "dumps"
    )


def _for_types(tree, node) -> bool:
    return any(
        isinstance(each, ast.If) and "TYPE_CHECKING" in ast.dump(each.test) and node in each.body
        for each in ast.walk(tree)
    )


WORDS = st.text("aé宽-", min_size=1, max_size=30)
CELLS = st.lists(st.lists(WORDS, max_size=4).map(" ".join), min_size=3, max_size=3)


@pytest.mark.case("E6")
@given(st.lists(CELLS, min_size=1, max_size=3), st.integers(40, 120))
def test_no_table_of_any_width_cuts_or_breaks_a_word(rows, width):
    out = io.StringIO()
    Console(file=out, width=width).print(grid(("why", "who acts", "what changes it"), rows))
    shown = Counter(out.getvalue().split())
    assert Counter(" ".join(" ".join(row) for row in rows).split()) <= shown


@pytest.mark.case("E6")
@pytest.mark.parametrize("width", range(60, 100))
def test_a_long_setting_is_shown_whole_beside_a_long_cause(width):
    cause = "the pool's results service is at http://127.0.0.1:13200, where this worker goes not"
    change = "allow the place with POOLHAND_ALLOWED_HOSTS=127.0.0.1:13200 or ask its owner"
    out = io.StringIO()
    Console(file=out, width=width).print(grid(("why", "who", "change"), [(cause, "you", change)]))
    assert "POOLHAND_ALLOWED_HOSTS=127.0.0.1:13200" in out.getvalue().split()
    assert max(map(len, out.getvalue().splitlines())) <= width
