"""A picture in a terminal: two pixels per character, upper and lower half block."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from rich.color import Color
from rich.style import Style
from rich.text import Text

from poolhand.domain.errors import Refused

MOST_PIXELS: Final = 4_000_000


class NoPicture(Refused):
    """The file is no picture that is shown here."""


class NothingToDrawWith(Refused):
    """This installation has no library that reads pictures."""

    def __init__(self) -> None:
        super().__init__(
            "pictures are drawn with Pillow: `pip install 'poolhand[devnet]'` installs it"
        )


def draw(path: Path, columns: int) -> Text:
    """Return a picture scaled to a width in characters.

    Raises:
        NoPicture: Not a picture, cut off, or too large.
        NothingToDrawWith: Pillow is not installed.
    """
    width, height, pixels = _pixels(path, columns)
    found = Text()
    for line in range(0, height, 2):
        for column in range(width):
            above, below = pixels[line * width + column], pixels[(line + 1) * width + column]
            found.append("▀", Style(color=Color.from_rgb(*above), bgcolor=Color.from_rgb(*below)))
        found.append("\n")
    return found


def _pixels(path: Path, columns: int) -> tuple[int, int, list[tuple[int, int, int]]]:
    """Return width, height (even) and pixels, line by line."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise NothingToDrawWith from None
    try:
        with Image.open(path, formats=("PNG",)) as opened:
            if opened.width * opened.height > MOST_PIXELS:
                raise NoPicture(f"{path} has more than {MOST_PIXELS:,} pixels")
            width = min(columns, opened.width)
            height = max(2, round(opened.height * width / opened.width)) & ~1
            raw = opened.convert("RGB").resize((width, height), Image.Resampling.NEAREST).tobytes()
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError) as fault:
        raise NoPicture(f"{path} is no picture: {fault}") from fault
    return width, height, [(raw[at], raw[at + 1], raw[at + 2]) for at in range(0, len(raw), 3)]
