"""Deals, newest first, and one deal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from poolhand.market.pages.own_api import ApiRefusal
from poolhand.market.pages.shown import FilterField, Shown, Visit
from poolhand.market.pages.views.enclaves import PoolsEnclave, enclave_of
from poolhand.market.pages.views.orders import BOOKS
from poolhand.market.pages.words import framework

DEALS_ON_PAGE: Final = 50
"""Deals, or tasks of one, on a page."""
FIELDS: Final = (
    FilterField("requester", "Requester"),
    FilterField("app", "App"),
    FilterField("dataset", "Dataset"),
    FilterField("workerpool", "Workerpool"),
    FilterField("category", "Category", "0", "number"),
)


async def deals(visit: Visit) -> Shown:
    """Show deals; a filter that cannot be read is told above the form."""
    refused, found = "", {"deals": [], "count": 0}
    given = {each.name: visit.query.get(each.name, "").strip() for each in FIELDS}
    index = visit.query.get("pageIndex")
    try:
        found = await visit.ask("/deals", **given, pageSize=str(DEALS_ON_PAGE), pageIndex=index)
    except ApiRefusal as fault:
        refused = str(fault)
    facts = {"fields": FIELDS, "found": found, "refused": refused, "rows": DEALS_ON_PAGE}
    return Shown("deals.html", "Deals", facts, 400 if refused else 200)


async def deal(visit: Visit) -> Shown:
    """Show a deal: what was bought of whom, for how much, and how its tasks stand."""
    name, index = visit.named["dealid"], visit.query.get("pageIndex")
    found = await visit.ask(f"/deals/{name}")
    tasks = await visit.ask(f"/deals/{name}/tasks", pageSize=str(DEALS_ON_PAGE), pageIndex=index)
    category = await visit.ask(f"/categories/{found['category']}")
    facts = {"tasks": tasks["tasks"], "count": tasks["count"], "rows": DEALS_ON_PAGE}
    told = {
        "deal": found,
        "category": category,
        "published": await _published(visit, found),
        "pools": await _confidential(visit, found, tasks["tasks"]),
        **facts,
    }
    return Shown("deal.html", f"Deal {name[:10]}…", told)


async def _confidential(
    visit: Visit, deal: Mapping[str, Any], tasks: Sequence[Mapping[str, Any]]
) -> PoolsEnclave:
    """Return what the pool says of a confidential deal's enclaves; of its task where it has one."""
    if not framework(deal["tag"]):
        return PoolsEnclave()
    pool = await visit.find(f"/workerpools/{deal['workerpool']['pointer']}")
    if deal["botSize"] != 1 or not tasks or not tasks[0]["known"]:
        return enclave_of(pool, None)
    return enclave_of(pool, await visit.find(f"/tasks/{tasks[0]['taskid']}/pool"))


async def _published(visit: Visit, deal: Mapping[str, Any]) -> frozenset[str]:
    """Return which orders of a deal this market has: a deal may be made of any that are signed."""
    hashes = {sort: deal[f"{sort}Hash"] for sort in BOOKS}
    found = [sort for sort, name in hashes.items() if await visit.find(f"/{sort}orders/{name}")]
    return frozenset(found)
