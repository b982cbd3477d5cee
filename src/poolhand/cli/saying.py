"""Lines for people outside of any page: on standard error, escaped."""

from __future__ import annotations

import sys

from poolhand.domain.app_lines import is_clean_line, without_colours
from poolhand.domain.text import shown


def say(text: str, *, on_output: bool = False) -> None:
    """Say something, whoever's words are in it.

    Args:
        text: One or more lines.
        on_output: Whether it is the answer itself and goes to standard output.
    """
    print(shown(text, lines=True), file=sys.stdout if on_output else sys.stderr)


def say_app_line(text: str, *, on_output: bool, colours: bool) -> None:
    """Print a line that an app printed, at once.

    Args:
        text: One line; what commands a terminal and is no colour is escaped.
        on_output: Whether it goes to standard output.
        colours: Whether it keeps its colours.
    """
    line = text if colours else without_colours(text)
    line = line if is_clean_line(line) else shown(line)
    print(line, file=sys.stdout if on_output else sys.stderr, flush=True)
