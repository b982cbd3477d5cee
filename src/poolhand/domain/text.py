r"""What a text from outside may be, and how one is shown to a person.

Asked at every entrance and at every way out:

- ``is_well_formed``: can it be written at all? Python's ``str`` holds halves of surrogate pairs,
  which JSON's ``\ud800`` and undecodable file names bring in and which no encoder takes.
- ``checked``: may it stand where a person will read it? Also bounded, and without characters that
  command a terminal or hide.
- ``shown``: whatever it is, make it fit for a terminal, a log line or a page.

The characters are listed here and not taken from ``unicodedata``, so that two programs under
different versions of Python judge alike.

Source: Unicode 16, general categories Cc, Cf, Cs, Zl, Zp and the property
Default_Ignorable_Code_Point (without the variation selectors of emoji, U+FE00 to U+FE0F).
"""

from __future__ import annotations

import re
from typing import Final

from poolhand.domain.errors import Refused

HIDDEN_CHARACTERS: Final = (
    r"\x00-\x1f\x7f-\x9f"  # C0, DEL and C1: commands to a terminal
    r"\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    r"\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    r"\u200b-\u200f\u2028-\u202e\u2060-\u206f"  # zero width, line ends, bidirectional controls
    r"\u3164\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff"
    r"\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3\U0001d173-\U0001d17a"
    r"\U000e0000-\U000e0fff"  # tags: a whole text that nobody sees
)
"""Inside of a regular expression's ``[…]``: what commands, hides or cannot be encoded."""
_HIDDEN: Final = re.compile(f"[{HIDDEN_CHARACTERS}]")
_HIDDEN_IN_LINES: Final = re.compile(rf"(?![\n\t])[{HIDDEN_CHARACTERS}]")
_CUT: Final = "…"


class UnfitText(Refused):
    """A text from outside is no text, or none that a person could be shown; it says which."""


def is_well_formed(text: str) -> bool:
    """Whether a text is valid Unicode: no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def repaired(text: str) -> str:
    """Return a text that can be written: a question mark for half of a surrogate pair.

    For records and messages of ours, which must go out whatever words came in; what a stranger
    sends is refused instead.
    """
    return text if is_well_formed(text) else text.encode(errors="replace").decode()


def is_plain(text: str, *, lines: bool = False) -> bool:
    """Whether a person may be shown a text as it is: well-formed, and nothing in it hides.

    Args:
        text: Any.
        lines: Whether line feeds and tabs are allowed.
    """
    return (_HIDDEN_IN_LINES if lines else _HIDDEN).search(text) is None


def checked(text: str, what: str, most: int, *, lines: bool = False) -> str:
    """Return a text from outside if it is one.

    Args:
        text: Any.
        what: Its name in the message: ``"the reason"``.
        most: Characters.
        lines: Whether line feeds and tabs are allowed.

    Raises:
        UnfitText: Too long, ill-formed, or with characters that command a terminal or hide.
    """
    if len(text) > most:
        raise UnfitText(f"{what} has {len(text)} characters, at most {most} are taken: shorten it")
    if not is_well_formed(text):
        raise UnfitText(f"{what} is not valid Unicode (half of a surrogate pair): write it again")
    found = (_HIDDEN_IN_LINES if lines else _HIDDEN).search(text)
    if found is not None:
        raise UnfitText(
            f"{what} holds the character U+{ord(found[0]):04X}, which commands a terminal or "
            "cannot be seen: remove it"
        )
    return text


def shown(text: str, most: int | None = None, *, lines: bool = False) -> str:
    r"""Return a text fit for a person, whatever it was: what commands or hides is escaped.

    What comes out is well-formed, comes out of a second pass unchanged, and means what it says: an
    ESC is told as ``\x1b`` and a bidirectional control as ``\u202e``.

    Args:
        text: Any.
        most: Characters of what is returned (at least 1); the rest is cut and told by ``…``.
        lines: Whether line feeds and tabs are kept, ``\r\n`` as ``\n``.
    """
    part = text if most is None else text[: most + 1]
    if lines:
        clean = _HIDDEN_IN_LINES.sub(_escape, part.replace("\r\n", "\n"))
    else:
        clean = _HIDDEN.sub(_escape, part)
    if most is None or (len(clean) <= most and len(part) == len(text)):
        return clean
    return clean[: most - 1] + _CUT


def _escape(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
