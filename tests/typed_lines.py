"""The command lines and programs of a page, as a reader would type them; and which of them ran.

A test that types what a page prints is marked `@pytest.mark.executes(page, …)`, and is held to it: each
line of the snippets that it names must have run, or have been left running, when it ends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+# .*$")
_REASON = re.compile(r"<!-- not run: ([^>]+) -->\n\Z")
TYPED = ("sh", "python", "js")
"""Languages of what a reader types or runs."""
_ran: set[str] = set()


@dataclass(frozen=True)
class Snippet:
    """What a page prints to be typed.

    Attributes:
        page: By its name from the root of the repository.
        language: One of ``TYPED``.
        text: As it stands there.
        reason: Why no test runs it; empty if one must.
        line: On which it begins.
    """

    page: str
    language: str
    text: str
    reason: str
    line: int

    @property
    def lines(self) -> list[str]:
        """Return its command lines; a program is one line."""
        return _lines(self.text) if self.language == "sh" else [self.text]


def snippets(page: str) -> Iterator[Snippet]:
    """Yield what a page prints to be typed."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        if found[1] in TYPED:
            reason = _REASON.search(text[: found.start()])
            line = text[: found.start()].count("\n") + 1
            yield Snippet(page, found[1], found[2], reason[1].strip() if reason else "", line)


def claimed(page: str, *beginnings: str) -> list[Snippet]:
    """Return the snippets with a line that begins so; without a beginning all that must run."""
    found = [
        each
        for each in snippets(page)
        if not each.reason
        and (not beginnings or any(line.startswith(beginnings) for line in each.lines))
    ]
    assert found, f"{page} has no snippet with {beginnings}"
    return found


def ran(text: str) -> None:
    """Tell that a line or a program of a page ran."""
    _ran.add(text)


def hold(claims: list[tuple[str, ...]]) -> Iterator[None]:
    """Run a test; each line that it claims to execute must have run."""
    _ran.clear()
    yield
    snippets = [each for claim in claims for each in claimed(*claim)]
    left = [(each.page, line) for each in snippets for line in each.lines if line not in _ran]
    assert left == [], "this test claims to execute them"


def typed_lines(page: str, heading: str = "") -> list[str]:
    """Return the command lines of a page, or of one of its sections.

    Continued lines are joined, comments left out.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    if heading:
        _, found, rest = text.partition(f"\n## {heading}\n")
        assert found, f"{page} has no '## {heading}'"
        text = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    return _lines("\n".join(_blocks(text, "sh")))


def program(page: str, language: str) -> str:
    """Return the one program of a page in a language."""
    (found,) = _blocks((ROOT / page).read_text(encoding="utf-8"), language)
    return found


def _lines(text: str) -> list[str]:
    joined = text.replace("\\\n", " ")
    return [line for each in joined.splitlines() if (line := _COMMENT.sub("", each).strip())]


def _blocks(text: str, language: str) -> list[str]:
    return [block for named, block in _BLOCK.findall(text) if named == language]
