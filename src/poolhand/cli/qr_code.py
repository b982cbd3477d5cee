"""Texts as QR codes in a terminal: what a telephone sends money to is not typed by hand."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.text import Text

CODE_BORDER: Final = 2
"""Light modules around a code; telephones do with less than the standard's four."""


def qr_code(text: str) -> str:
    """Draw a text, two rows of modules in a line; light modules are ink, as dark terminals want it.

    Args:
        text: Of a few dozen characters.
    """
    import segno

    drawn = StringIO()
    segno.make(text, micro=False, error="m").terminal(out=drawn, border=CODE_BORDER, compact=True)
    return drawn.getvalue()


def coloured_code(text: str) -> Text:
    """Draw a text in colours of its own, so that light is light in every terminal."""
    from rich.text import Text

    return Text(qr_code(text), style="white on black")
