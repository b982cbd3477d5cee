"""Writes ``docs/cli.md`` from the commands: ``python -m poolhand.cli.reference > docs/cli.md``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

import typer

from poolhand.cli.exits import EXITS
from poolhand.cli.main import app
from poolhand.cli.verb import COMMON

_COMMON: Final = {key.rstrip("_") for key in COMMON} | {"json"}

WITH_ALL: Final = "account show"
"""A verb that has every common option."""

REFERENCE_HEAD: Final = """\
# Command line

<!-- Made by `make docs` (python -m poolhand.cli.reference); do not edit. -->

Amounts are in RLC. `--json` prints one object on standard output: the answer, or
`{"error": {"code", "message"}}`; progress goes to standard error. Where a devnet runs
(`$POOLHAND_HOME`, or `.poolhand` in the current folder) no common option is needed.
"""


@cache
def commands() -> Mapping[str, Any]:
    """Return every command of this installation by its words, nouns after one another."""
    root: Any = typer.main.get_command(app)
    context = typer.Context(root, info_name="poolhand")
    return {
        words: command
        for noun in root.list_commands(context)
        for words, command in _verbs(noun, root.get_command(context, noun))
    }


def _verbs(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Yield a verb, or the verbs of a group."""
    if not hasattr(command, "commands"):
        yield words, command
        return
    for name, each in command.commands.items():
        yield from _verbs(f"{words} {name}", each)


def reference() -> str:
    """Return the whole page."""
    parts = [REFERENCE_HEAD, "## Exit codes\n", "| code | meaning |\n|---|---|"]
    parts[-1] += "".join(f"\n| {code} | {told} |" for code, told in EXITS.items()) + "\n"
    found = commands()
    parts += ["## Common options\n", _options(found[WITH_ALL], common=True)]
    for words, command in found.items():
        parts.append(_section(words, command))
    return "\n".join(parts)


def _section(words: str, command: Any) -> str:
    arguments = [
        each for each in command.params if each.param_type_name == "argument" and not each.hidden
    ]
    usage = " ".join(["poolhand", words, *(_value(each) for each in arguments)])
    parts = [f"## poolhand {words}\n", f"    {usage}\n", f"{_told(command.help)}\n"]
    parts += [f"- `{_value(each)}`: {each.help}" for each in arguments if each.help]
    options = _options(command, common=False)
    parts += [options] if options else [""] if any(each.help for each in arguments) else []
    parts += [f"{_told(command.epilog)}\n"] if command.epilog else []
    return "\n".join(parts)


def _told(text: str | None) -> str:
    """Return a help text as Markdown, its examples as code."""
    paragraphs = (text or "").replace("\b\n", "").strip().split("\n\n")
    return "\n\n".join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> str:
    head, _, told = text.partition(":")
    if head not in ("Example", "Examples"):
        return text
    lines = (line.strip() for line in told.strip().splitlines())
    return "\n".join([f"{head}:\n", *(f"    {line}" for line in lines)])


def _options(command: Any, *, common: bool) -> str:
    """List a command's options: those of every verb, or its own."""
    shared = _COMMON if command.epilog else set()  # a program's options are all its own
    rows = []
    for each in command.params:
        if each.param_type_name != "option" or (each.name.rstrip("_") in shared) is not common:
            continue
        names = "/".join([*each.opts, *each.secondary_opts])
        value = "" if each.is_flag else f" {_value(each)}"
        rows.append(f"- `{names}{value}`: {each.help or ''}".rstrip(": "))
    return "\n".join(rows) + ("\n" if rows else "")


def _value(parameter: Any) -> str:
    return str(parameter.metavar or "VALUE")


if __name__ == "__main__":
    sys.stdout.write(reference())
