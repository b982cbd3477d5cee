"""An account, and finding whatever has a name."""

from __future__ import annotations

from typing import Final

from poolhand.market.pages.own_api import ApiRefusal
from poolhand.market.pages.shown import Shown, Visit
from poolhand.transport.page.bars import bars

ORDERS_OF_ACCOUNT: Final = (
    ("workerpool", "workerpoolOwner"),
    ("app", "appOwner"),
    ("dataset", "datasetOwner"),
    ("request", "requester"),
)
"""Each book, and the filter by which an account's orders in it are found."""
_ANY: Final = dict.fromkeys(("app", "dataset", "workerpool", "requester"), "any")
PAGES_OF_THINGS: Final = {
    "account": "accounts",
    "app": "apps",
    "dataset": "datasets",
    "workerpool": "pools",
    "deal": "deals",
    "task": "tasks",
    **{f"{sort}order": f"orders/{sort}" for sort, _ in ORDERS_OF_ACCOUNT},
}
"""Where the page of each kind of thing is."""
ROWS_OF_ACCOUNT: Final = "10"
"""Deals and orders of each kind that are shown; the rest is a link away."""


async def account(visit: Visit) -> Shown:
    """Show an account: stake, locks, earnings, open orders and newest deals."""
    name = visit.named["address"]
    found = await visit.ask(f"/accounts/{name}")
    orders = []
    for sort, owner in ORDERS_OF_ACCOUNT:
        told = await visit.ask(f"/{sort}orders", **_question(sort, owner, name))
        orders.append((sort, owner, told["orders"], told["count"]))
    bought = await visit.ask("/deals", requester=name, pageSize=ROWS_OF_ACCOUNT)
    sold = await visit.ask("/deals", workerpoolOwner=name, pageSize=ROWS_OF_ACCOUNT)
    facts = {"account": found, "orders": orders, "bought": bought, "sold": sold}
    days = found["days"]
    plot = bars(days, days[-1]["day"]) if days else None
    return Shown("account.html", f"Account {name[:8]}…", {**facts, "plot": plot})


def _question(sort: str, owner: str, name: str) -> dict[str, str]:
    wide = {"workerpool": "any"} if sort == "request" else _ANY
    return {**wide, owner: name, "pageSize": ROWS_OF_ACCOUNT}


async def search(visit: Visit) -> Shown:
    """Lead to what was looked for, or show all that has this name."""
    asked = visit.query.get("q", "").strip()
    if not asked:
        return Shown("search.html", "Search", {"asked": "", "found": [], "places": PAGES_OF_THINGS})
    try:
        found = (await visit.ask("/search", q=asked))["found"]
    except ApiRefusal as fault:
        facts = {"asked": asked, "found": [], "refused": str(fault), "places": PAGES_OF_THINGS}
        return Shown("search.html", "Search", facts, 400)
    facts = {"asked": asked, "found": found, "places": PAGES_OF_THINGS}
    leads_to = f"/{PAGES_OF_THINGS[found[0]['kind']]}/{found[0]['name']}" if len(found) == 1 else ""
    return Shown("search.html", "Search", facts, 200 if found else 404, leads_to)
