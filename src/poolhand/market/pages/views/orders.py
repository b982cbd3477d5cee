"""The books of orders, with filters, and one order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from poolhand.market.pages.own_api import ApiRefusal
from poolhand.market.pages.shown import FilterField, Shown, Visit

ORDERS_ON_PAGE: Final = 50
"""Orders on a page."""


@dataclass(frozen=True, slots=True)
class BookPage:
    """How one of the four books is shown.

    Attributes:
        sort: As the API's path has it.
        restrictions: Addresses of which an order may be for one alone; shown whatever they are.
    """

    sort: str
    title: str
    lead: str
    fields: tuple[FilterField, ...]
    restrictions: tuple[str, ...]


_VOLUME: Final = FilterField("minVolume", "Tasks at least", "1", "number")
_CATEGORY: Final = FilterField("category", "Category", "0", "number")
BOOKS: Final[Mapping[str, BookPage]] = {
    "workerpool": BookPage(
        "workerpool",
        "Workerpool orders",
        "Computing for sale, per task, the cheapest first.",
        (
            FilterField("workerpool", "Workerpool"),
            FilterField("workerpoolOwner", "Owner"),
            _CATEGORY,
            FilterField("minTrust", "Trust at least", "1", "number"),
            _VOLUME,
        ),
        ("app", "dataset", "requester"),
    ),
    "app": BookPage(
        "app",
        "App orders",
        "Applications for sale, per task, the cheapest first.",
        (FilterField("app", "App"), FilterField("appOwner", "Owner"), _VOLUME),
        ("dataset", "workerpool", "requester"),
    ),
    "dataset": BookPage(
        "dataset",
        "Dataset orders",
        "Datasets for sale, per task, the cheapest first.",
        (FilterField("dataset", "Dataset"), FilterField("datasetOwner", "Owner"), _VOLUME),
        ("app", "workerpool", "requester"),
    ),
    "request": BookPage(
        "request",
        "Request orders",
        "Computations that are wanted, the best paid first.",
        (
            FilterField("requester", "Requester"),
            FilterField("app", "App"),
            FilterField("dataset", "Dataset"),
            _CATEGORY,
            _VOLUME,
        ),
        ("workerpool",),
    ),
}
"""In the order of their tabs."""


def book_of(sort: str) -> BookPage:
    """Return a book's page.

    Raises:
        ApiRefusal: There is none of this name.
    """
    if sort not in BOOKS:
        raise ApiRefusal(404, "there are orders of workerpools, apps, datasets and requests")
    return BOOKS[sort]


def question(book: BookPage, query: Mapping[str, str]) -> dict[str, str]:
    """Return what a page asks the API: every order there is, but for what the reader narrows."""
    open_to_all = dict.fromkeys(book.restrictions, "any")
    wanted = {} if book.sort == "request" else {book.sort: "any"}
    names = [each.name for each in book.fields]
    given = {name: query[name].strip() for name in names if query.get(name, "").strip()}
    paging = {"pageSize": str(ORDERS_ON_PAGE), "pageIndex": query.get("pageIndex", "")}
    return {**open_to_all, **wanted, **given, **paging}


async def orders(visit: Visit) -> Shown:
    """Show a book; a filter that cannot be read is told above the form."""
    book, refused = book_of(visit.named["sort"]), ""
    found: dict[str, Any] = {"orders": [], "count": 0}
    try:
        found = await visit.ask(f"/{book.sort}orders", **question(book, visit.query))
    except ApiRefusal as fault:
        refused = str(fault)
    facts = {
        "book": book,
        "books": BOOKS,
        "found": found,
        "refused": refused,
        "rows": ORDERS_ON_PAGE,
    }
    return Shown("orders.html", book.title, facts, 400 if refused else 200)


async def order(visit: Visit) -> Shown:
    """Show an order, whatever its status."""
    book, name = book_of(visit.named["sort"]), visit.named["hash"]
    found = await visit.ask(f"/{book.sort}orders/{name}")
    title = f"{book.title.removesuffix('s')} {name[:10]}…"
    told = {"book": book, "entry": found, "category": await _category(visit, found["order"])}
    return Shown("order.html", title, told)


async def _category(visit: Visit, signed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the category of an order; None where it has none, or none that the hub knows."""
    if "category" not in signed:
        return None
    return await visit.find(f"/categories/{signed['category']}")
