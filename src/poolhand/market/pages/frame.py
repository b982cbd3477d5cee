"""Writing pages: templates that escape whatever they are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from poolhand.domain.tee.known_breaks import BREAKS_TOLD, TWO_AGREE
from poolhand.domain.text import shown
from poolhand.market.pages import words
from poolhand.market.pages.assets import asset_place
from poolhand.market.pages.shown import Shown
from poolhand.market.pages.table import PAGE_BAR, is_kind
from poolhand.transport.page.words import amount, span


def fit(value: Any) -> Any:
    """Return a value as it may stand on a page: what commands or hides is told, not done.

    The template escapes it besides; what a macro of ours has written is let through.
    """
    if value is None:
        return ""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return shown(value, lines=True)
    return value


@dataclass(frozen=True, slots=True)
class NewestBlock:
    """The newest block that was read, None before the first, and its moment (ISO 8601)."""

    block: int | None
    at: str


class Frame:
    """Writes pages by their templates.

    Args:
        common: What every page is told besides: the chain, for one.
        newest: Tells the newest block that was read.
    """

    def __init__(self, common: Mapping[str, Any], newest: Callable[[], NewestBlock]) -> None:
        self._common, self._newest = dict(common), newest
        self._pages = templates()

    def whole(self, page: Shown, place: Mapping[str, Any]) -> str:
        """Write a page; ``place`` is where it stands: path, query, sources, live address."""
        return self._write("frame.html", page, place)

    def part(self, page: Shown, place: Mapping[str, Any]) -> str:
        """Write what of a page changes while it is open."""
        return self._write("live.html", page, place)

    def pulse(self) -> str:
        """Write what every page shows of the newest block, to be put into an open page."""
        told = {"pulse": self._newest(), "is_apart": True}
        return self._pages.get_template("pulse.html").render(told)

    def _write(self, layout: str, page: Shown, place: Mapping[str, Any]) -> str:
        given = {
            **self._common,
            "pulse": self._newest(),
            **place,
            **page.facts,
            "title": page.title,
            "layout": layout,
        }
        return self._pages.get_template(page.template).render(given)


@cache
def templates() -> Environment:
    """Return the templates; they are read once for all markets of a process."""
    found = Environment(
        loader=PackageLoader("poolhand.market.pages", "templates"),
        autoescape=True,
        finalize=fit,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals |= {name: getattr(words, name) for name in _WORDS}
    found.globals |= {
        "amount": amount,
        "asset": asset_place,
        "breaks": BREAKS_TOLD,
        "two_agree": str(TWO_AGREE),
        "is_kind": is_kind,
        "sections": PAGE_BAR,
        "span": span,
    }
    found.globals["parts"] = found.get_template("parts.html").module
    for name in found.list_templates():
        found.get_template(name)  # now, and not while the first reader and the loop wait for it
    return found


_WORDS: Final = (
    "clock", "confidence", "framework", "gas_of_a_task", "is_link", "is_nobody", "moment", "number",
    "percent", "place", "pool_name", "shell", "short", "tags", "turned", "workers_share",
)  # fmt: skip
