"""Lines for people outside of any page: on standard error, escaped."""

from __future__ import annotations

import sys

from poolhand.domain.text import shown


def say(text: str, *, on_output: bool = False) -> None:
    """Say something, whoever's words are in it.

    Args:
        text: One or more lines.
        on_output: Whether it is the answer itself and goes to standard output.
    """
    print(shown(text, lines=True), file=sys.stdout if on_output else sys.stderr)
