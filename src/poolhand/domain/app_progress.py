"""How far an app says that it is: a fraction and a line, in a file that the app writes.

The file is a stranger's: whatever is in it, what comes out is a fraction from 0 to 1 in millionths
and one short line that a person may read, or nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from poolhand.domain.text import shown

PROGRESS_VARIABLE: Final = "POOLHAND_PROGRESS"
"""Environment variable of an app that names the file."""
PROGRESS_FILE: Final = ".poolhand-progress"
"""Its name in the folder for results; it is no part of the result."""
MOST_PROGRESS_READ: Final = 4_096
"""Bytes of the file that are read."""
MOST_PROGRESS_WORDS: Final = 200
"""Characters of its line that are told."""
WHOLE: Final = 1_000_000
"""Millionths."""

_FRACTION: Final = re.compile(r"(?P<one>[01])(?:\.(?P<rest>[0-9]{0,20}))?(?=\s|$)")


@dataclass(frozen=True, slots=True)
class AppProgress:
    """What an app reports; ``millionths`` is None where it tells no fraction."""

    millionths: int | None
    words: str


def read_progress(content: bytes) -> AppProgress | None:
    """Return what the first line of a progress file says; None where it says nothing.

    ``0.25 epoch 3 of 12``: a decimal fraction from 0 to 1, then any words. A line that begins
    otherwise (``NaN``, ``1e3``, ``7``) is words.
    """
    line = content[:MOST_PROGRESS_READ].partition(b"\n")[0].decode(errors="replace").strip()
    if not line:
        return None
    found = _FRACTION.match(line)
    millionths = None if found is None else _millionths(found)
    words = line if found is None or millionths is None else line[found.end() :]
    return AppProgress(millionths, shown(words.strip(), MOST_PROGRESS_WORDS))


def _millionths(found: re.Match[str]) -> int | None:
    """Return a fraction in millionths, rounded down; None where it is over 1."""
    rest = found["rest"] or ""
    if found["one"] == "1":
        return None if rest.strip("0") else WHOLE
    return int((rest + "000000")[:6])
