"""The command lines and programs of a page, as a reader would type them."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMENT = re.compile(r"\s+# .*$")


def typed_lines(page: str, heading: str = "") -> list[str]:
    """Return the command lines of a page, or of one of its sections.

    Continued lines are joined, comments left out.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    if heading:
        _, found, rest = text.partition(f"\n## {heading}\n")
        assert found, f"{page} has no '## {heading}'"
        text = re.split(r"^## ", rest, maxsplit=1, flags=re.MULTILINE)[0]
    blocks = "\n".join(_blocks(text, "sh")).replace("\\\n", " ")
    return [line for each in blocks.splitlines() if (line := _COMMENT.sub("", each).strip())]


def program(page: str, language: str) -> str:
    """Return the one program of a page in a language."""
    (found,) = _blocks((ROOT / page).read_text(encoding="utf-8"), language)
    return found


def _blocks(text: str, language: str) -> list[str]:
    return [block for named, block in _BLOCK.findall(text) if named == language]
