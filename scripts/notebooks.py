"""Write the notebooks of examples/, each from the script beside it: the script is the source.

A script is in the form that Jupytext, VS Code and Spyder read as cells: ``# %%`` begins one of
code, ``# %% [markdown]`` one of text, whose lines are comments. ``make docs`` writes; a test
compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

EXAMPLES: Final = Path(__file__).resolve().parents[1] / "examples"
_CELL: Final = re.compile(r"^# %%(?P<text> \[markdown\])?\n", re.MULTILINE)
_COMMENT: Final = re.compile(r"^# ?", re.MULTILINE)


class NotCells(Exception):
    """A script does not begin with a cell."""


def scripts() -> list[Path]:
    """Return the scripts that are notebooks, too."""
    found = sorted(EXAMPLES.glob("*.py"))
    return [each for each in found if each.read_text(encoding="utf-8").startswith("# %%")]


def cells(script: str) -> Iterator[tuple[str, str]]:
    """Yield kind (``code``, ``markdown``) and source of each cell.

    Raises:
        NotCells: Something stands before the first.
    """
    begun = list(_CELL.finditer(script))
    if not begun or begun[0].start():
        raise NotCells("a script that is a notebook begins with '# %%'")
    ends = [*(each.start() for each in begun[1:]), len(script)]
    for each, end in zip(begun, ends, strict=True):
        source = script[each.end() : end].strip("\n")
        yield ("markdown", _COMMENT.sub("", source)) if each["text"] else ("code", source)


def notebook(script: str) -> str:
    """Return a notebook (nbformat 4.5), without outputs, as text; raises NotCells."""
    made = [_cell(number, *each) for number, each in enumerate(cells(script))]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    told = {
        "cells": made,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return json.dumps(told, indent=1, ensure_ascii=False) + "\n"


def _cell(number: int, kind: str, source: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "id": f"cell-{number}", "metadata": {}}
    if kind == "code":
        cell |= {"execution_count": None, "outputs": []}
    return cell | {"source": source.splitlines(keepends=True)}


def write() -> None:
    """Write every notebook."""
    for each in scripts():
        made = notebook(each.read_text(encoding="utf-8"))
        each.with_suffix(".ipynb").write_text(made, encoding="utf-8")


if __name__ == "__main__":
    write()
