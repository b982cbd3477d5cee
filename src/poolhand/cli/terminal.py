"""The console of every page for people: nothing goes through it that commands the terminal.

Cells and sentences are escaped where they are made, so that they are as wide as they look; this is
the net below, for whatever was forgotten. Markup (``[red]…``) is off: a pool's or an app's words
are no styles of ours, and a stray bracket of theirs is no error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich import console
from rich.segment import Segment

from poolhand.domain.text import shown


class Console(console.Console):
    """As rich's, without markup and with every text escaped; styles and moves stay rich's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"highlight": False, "markup": False, "emoji": False, **options})

    def print(self, *objects: Any, crop: bool = False, **options: Any) -> None:
        """Print; what is wider than the terminal is left to it to wrap, so that nothing is lost."""
        super().print(*objects, crop=crop, **options)

    def render(
        self, renderable: console.RenderableType, options: console.ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render anything, at any depth, into segments that are fit for a person."""
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(shown(segment.text, lines=True), segment.style)
