"""Which page is where: each path once, and what makes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from starlette.routing import compile_path

from poolhand.market.pages.shown import View
from poolhand.market.pages.views.accounts import account, search
from poolhand.market.pages.views.deals import deal, deals
from poolhand.market.pages.views.orders import order, orders
from poolhand.market.pages.views.overview import overview
from poolhand.market.pages.views.registry import ASSET_KINDS, listing, single
from poolhand.market.pages.views.tasks import task

ROOT: Final = "/pages"
"""Where pages are; the API has all other paths."""


class PagePath:
    """A path below ``ROOT`` with ``{names}``, and the view that makes its pages."""

    def __init__(self, path: str, view: View) -> None:
        self.path, self.view = path, view
        self._form, _, _ = compile_path(path)

    def named(self, path: str) -> Mapping[str, str] | None:
        """Return the parts of a path that is of this form; None: it is not."""
        found = self._form.match(path)
        return None if found is None else found.groupdict()


PAGES: Final = (
    PagePath("", overview),
    PagePath("/orders/{sort}", orders),
    PagePath("/orders/{sort}/{hash}", order),
    PagePath("/deals", deals),
    PagePath("/deals/{dealid}", deal),
    PagePath("/tasks/{taskid}", task),
    PagePath("/accounts/{address}", account),
    PagePath("/search", search),
    *(PagePath(f"/{kind}", listing(kind)) for kind in ASSET_KINDS),
    *(PagePath(f"/{kind}/{{address}}", single(kind)) for kind in ASSET_KINDS),
)
"""Every page."""


PAGE_BAR: Final = (
    ("Overview", ROOT, ROOT),
    ("Orders", f"{ROOT}/orders/workerpool", f"{ROOT}/orders"),
    ("Deals", f"{ROOT}/deals", f"{ROOT}/deals"),
    *((kind.title, f"{ROOT}/{name}", f"{ROOT}/{name}") for name, kind in ASSET_KINDS.items()),
)
"""What the bar of every page leads to: name, where, and how the paths of that section begin."""


@dataclass(frozen=True, slots=True)
class FoundPage:
    """A page that was asked for: what makes it, of what."""

    view: View
    named: Mapping[str, Any]


def find_page(path: str) -> FoundPage | None:
    """Return the page of a path below ``ROOT``; None: there is none."""
    plain = path.rstrip("/")
    for page in PAGES:
        named = page.named(plain)
        if named is not None:
            return FoundPage(page.view, named)
    return None


@lru_cache(maxsize=64)
def is_kind(kind: str) -> bool:
    """Whether there are pages of single things of a kind, so that they can be linked."""
    return find_page(f"/{kind}/0x") is not None
