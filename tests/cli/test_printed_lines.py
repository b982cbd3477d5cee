"""What pages print is what the commands are: every verb and flag of every line exists."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from poolhand.cli.reference import commands

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs" / "how-to").glob("*.md")))
COMMANDS = commands()
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(poolhand [^`]+)`")


def printed(page):
    """Yield the command lines of a page: those of its blocks, whole, and those in sentences."""
    text = page.read_text(encoding="utf-8")
    for block in BLOCK.findall(text):
        for line in block.replace("\\\n", " ").splitlines():
            if line.startswith("poolhand "):
                yield line
    yield from INLINE.findall(" ".join(text.split()))


def words_of(line):
    """Return the words of a line, its comment left out."""
    return shlex.split(line.replace("'s ", " "), comments=True)[1:]


def command_of(words):
    """Return the longest command that the words begin with."""
    for count in (3, 2, 1):
        found = COMMANDS.get(" ".join(words[:count]))
        if found is not None:
            return found
    return None


def spoken(file):
    """Yield the command lines that a file of ours can say in backticks, texts of parts joined."""
    text = re.sub(r"[\"']\s*\n\s*f?[\"']", "", file.read_text(encoding="utf-8"))
    yield from (line for line in INLINE.findall(" ".join(text.split())) if "`" not in line)


NOUNS = {" ".join(words.split()[:n]) for words in COMMANDS for n in range(1, len(words.split()))}
SOURCES = [each for kind in ("py", "html") for each in (ROOT / "src").rglob(f"*.{kind}")]
SPOKEN = sorted({line for file in SOURCES for line in spoken(file)})
LINES = [(page.name, line) for page in PAGES for line in printed(page)]


@pytest.mark.case("E2", "E6")
@pytest.mark.parametrize(("page", "line"), LINES, ids=[f"{p}: {n[:60]}" for p, n in LINES])
def test_a_printed_line_is_a_command_with_flags_that_it_has(page, line):
    words = words_of(line)
    if words and words[0].startswith("--"):
        assert words[0] in ("--help", "--install-completion", "--show-completion", "--version")
        return
    alternatives = [each.split("|") for each in words[:2]]
    for verb in alternatives[1] if len(alternatives) > 1 else [""]:
        command = command_of([words[0], *([verb] if verb else []), *words[2:]])
        assert command is not None, line
        flags = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
        typed = {word.partition("=")[0] for word in words if re.match(r"--[a-z-]+(=|$)", word)}
        assert typed <= flags | {"--help"}, typed - flags


@pytest.mark.case("E2", "E6")
@pytest.mark.parametrize("line", SPOKEN)
def test_a_command_that_we_advise_is_one_with_flags_that_it_has(line):
    words = re.sub(r"\{[^}]*\}", "X", line).split()[1:]
    if words[0].startswith("-") or words[0] == "X":
        return
    command = command_of(words)
    if command is None:
        assert " ".join(words) in NOUNS  # of a noun as a whole
        return
    flags = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    assert {word for word in words if re.fullmatch(r"--[a-z-]+", word)} <= flags | {"--help"}


def test_there_are_lines_to_look_at():
    assert len(LINES) > 30
    assert len(SPOKEN) > 30
