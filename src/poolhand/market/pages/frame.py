"""Writing pages: templates that escape whatever they are given."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from poolhand.domain.text import shown
from poolhand.market.pages import words
from poolhand.market.pages.assets import asset_place
from poolhand.market.pages.shown import Shown
from poolhand.market.pages.table import SECTIONS, is_kind


def fit(value: Any) -> Any:
    """Return a value as it may stand on a page: what commands or hides is told, not done.

    The template escapes it besides; what a macro of ours has written is let through.
    """
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return shown(value, lines=True)
    return value


class Frame:
    """Writes pages by their templates.

    Args:
        common: What every page is told besides: the chain, for one.
    """

    def __init__(self, common: Mapping[str, Any]) -> None:
        self._common = dict(common)
        self._pages = Environment(
            loader=PackageLoader("poolhand.market.pages", "templates"),
            autoescape=True,
            finalize=fit,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._pages.globals |= {name: getattr(words, name) for name in _WORDS}
        self._pages.globals |= {"asset": asset_place, "is_kind": is_kind, "sections": SECTIONS}
        self._pages.globals["parts"] = self._pages.get_template("parts.html").module

    def whole(self, page: Shown, place: Mapping[str, Any]) -> str:
        """Write a page; ``place`` is where it stands: path, query, sources, live address."""
        return self._write("frame.html", page, place)

    def part(self, page: Shown, place: Mapping[str, Any]) -> str:
        """Write what of a page changes while it is open."""
        return self._write("live.html", page, place)

    def _write(self, layout: str, page: Shown, place: Mapping[str, Any]) -> str:
        given = {**self._common, **place, **page.facts, "title": page.title, "layout": layout}
        return self._pages.get_template(page.template).render(given)


_WORDS: Final = (
    "amount", "clock", "is_link", "is_nobody", "moment", "number", "place", "short", "span", "tags",
    "turned",
)  # fmt: skip
