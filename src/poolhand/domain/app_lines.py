r"""Lines that an app prints, as they may be passed on: colours are kept, commands are not.

An app is a stranger's program. What it prints goes to a terminal or a page of somebody else, so no
line may hold what commands a terminal. Colours and weights (SGR) change nothing but how the text
looks; whoever does not want them takes them out with ``without_colours``.

Source: ECMA-48, 5th edition, sections 5.4 (control sequences), 8.3.89 (OSC), 8.3.117 (SGR).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from poolhand.domain.text import is_plain, is_well_formed, shown

_COLOUR: Final = re.compile(r"(\x1b\[[0-9;:]{0,32}m)")
_COMMANDS: Final = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles, links, the clipboard
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # DCS, SOS, PM, APC
    r"|\x1b\[(?![0-9;:]{0,32}m)[0-?]*[ -/]*[@-~]?"  # CSI, but for colours
    r"|\x1b(?![\[\]PX^_])[ -/]*[0-~]?"  # all other escapes
)


@dataclass(frozen=True, slots=True)
class AppLine:
    """A line of an app's, fit to be passed on; on standard error or output."""

    is_error: bool
    text: str


def clean_line(raw: bytes) -> str:
    """Return a line as a terminal would have it in the end, with its colours and nothing else.

    What follows the last carriage return stands (a progress bar writes one line again and again);
    sequences that command are left out; every other character that commands or hides is escaped.
    """
    text = raw.decode(errors="replace").rstrip("\r\n")
    text = _COMMANDS.sub("", text[text.rfind("\r") + 1 :])
    parts = _COLOUR.split(text)  # texts and colours by turns
    return "".join(each if at % 2 else _shown(each) for at, each in enumerate(parts))


def _shown(text: str) -> str:
    return shown(text, lines=True).replace("\n", r"\n")


def without_colours(line: str) -> str:
    """Return a line of ``clean_line`` without its colours: plain text, with tabs."""
    return _COLOUR.sub("", line)


def is_clean_line(text: str) -> bool:
    """Whether a text is one that ``clean_line`` may return."""
    if not is_well_formed(text) or "\n" in text:
        return False
    return is_plain(without_colours(text), lines=True)
