"""Apps, datasets and pools: lists, and one of each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from poolhand.market.pages.shown import Shown, View, Visit

ASSETS_ON_PAGE: Final = 50
"""Of each on a page."""


@dataclass(frozen=True, slots=True)
class AssetKind:
    """A sort of assets: as the API has it, and how people call it."""

    sort: str
    title: str
    one: str
    lead: str
    empty: str


ASSET_KINDS: Final[Mapping[str, AssetKind]] = {
    "apps": AssetKind(
        "app", "Apps", "App", "Container images, registered on chain with their digest.",
        "No app is registered yet: `poolhand app deploy IMAGE` registers one.",
    ),
    "datasets": AssetKind(
        "dataset", "Datasets", "Dataset", "Files that an app may read, registered on chain.",
        "No dataset is registered yet: `poolhand dataset deploy URL` registers one.",
    ),
    "pools": AssetKind(
        "workerpool", "Pools", "Pool", "Who computes here, at what price, and how it went lately.",
        "No workerpool is registered yet: `poolhand pool create` registers one.",
    ),
}  # fmt: skip
"""By the first part of their pages' paths."""


def listing(place: str) -> View:
    """Return the view of a list."""
    kind = ASSET_KINDS[place]

    async def show(visit: Visit) -> Shown:
        index = visit.query.get("pageIndex")
        found = await visit.ask(f"/{kind.sort}s", pageSize=str(ASSETS_ON_PAGE), pageIndex=index)
        facts = {"kind": kind, "found": found[f"{kind.sort}s"], "count": found["count"]}
        template = "pools.html" if place == "pools" else "assets.html"
        return Shown(template, kind.title, {**facts, "place_of": place, "rows": ASSETS_ON_PAGE})

    return show


def single(place: str) -> View:
    """Return the view of one."""
    kind = ASSET_KINDS[place]

    async def show(visit: Visit) -> Shown:
        name = visit.named["address"]
        found = await visit.ask(f"/{kind.sort}s/{name}")
        deals = await visit.ask("/deals", **{kind.sort: name, "pageSize": "10"})
        facts = {"kind": kind, "it": found, "deals": deals["deals"], "count": deals["count"]}
        title = f"{kind.one} {found['name'] or name[:8] + '…'}"
        template = "pool.html" if place == "pools" else "asset.html"
        return Shown(template, title[:80], {**facts, "place_of": place})

    return show
