"""Where something that changes is shown: a notebook (Jupyter, VS Code, marimo) or a terminal.

None of them is a dependency: what runs us has been loaded by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

Screen = Callable[[str, str], None]
"""Shows HTML, or where there is none a line of text, in place of what it showed before."""


def open_screen() -> Screen:
    """Return what shows something here."""
    marimo = sys.modules.get("marimo")
    if marimo is not None and marimo.running_in_notebook():
        return lambda html, _: marimo.output.replace(marimo.Html(html))
    if _in_ipython():
        return _Cell()
    return _lines()


def _in_ipython() -> bool:
    """Whether a kernel runs us, which shows HTML; IPython in a terminal does not."""
    ipython: Any = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


class _Cell:
    """The output of a notebook's cell."""

    def __init__(self) -> None:
        self._shown: Any = None

    def __call__(self, html: str, _: str) -> None:
        shows: Any = import_module("IPython.display")  # loaded already
        if self._shown is None:
            self._shown = shows.display(shows.HTML(html), display_id=True)
        else:
            self._shown.update(shows.HTML(html))


def _lines() -> Screen:
    last = ""

    def tell(_: str, line: str) -> None:
        nonlocal last
        if line != last:
            last = line
            print(line, flush=True)  # noqa: T201 - asked for

    return tell
