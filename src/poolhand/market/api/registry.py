"""Apps, datasets and workerpools: what is registered, whose it is, what it costs."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any, Final

import structlog
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.errors import ChainUnreachable
from poolhand.domain.ids import Address
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.profiles import POOL_IS_THERE_FOR
from poolhand.domain.market.refusals import NotInMarket
from poolhand.domain.market_events import OrderSort
from poolhand.domain.multiaddr import UnreadableLocation, decode
from poolhand.domain.onchain import EventKind
from poolhand.domain.text import shown
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketHandler, MarketParts, add_route
from poolhand.market.api.pools import profile_told
from poolhand.ports.market_chain import RegistryReader
from poolhand.store.market import history, pools
from poolhand.store.market.database import BookConnection
from poolhand.store.market.lists import best_price, pool_prices
from poolhand.store.market.registered import (
    RegisteredAsset,
    find_asset,
    newest_assets,
    pools_there_first,
)
from poolhand.transport.asgi import service_router
from poolhand.wire import market_forms as forms
from poolhand.wire import market_queries as queries
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_looks import ASSET_ANSWERS, ASSET_LISTS
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, paging

SELLING_SORTS: Final = (OrderSort.APP, OrderSort.DATASET, OrderSort.WORKERPOOL)
MOST_ASSET_ROWS: Final = 100
"""Rows of a page: the prices of each are looked up, and how a pool's newest tasks went."""
MOST_ASSET_TEXT: Final = 500
"""Characters of a name, a description or a location that are told."""
MOST_REMEMBERED: Final = 10_000
"""Assets whose texts are remembered: they never change."""
RECENT_TASKS: Final = 100
"""Tasks of a pool that its success and its time are told of, the newest."""
log = structlog.get_logger()


def registry_routes(parts: MarketParts, now: Callable[[], int]) -> APIRouter:
    """Return the routes; ``now`` tells milliseconds since 1970."""
    router, texts = service_router(), AssetTexts(parts.registry)
    for sort in SELLING_SORTS:
        route, path = RegistryRoutes(parts, texts, sort, now), f"/{sort.value}s"
        listed, found = ASSET_LISTS[sort], ASSET_ANSWERS[sort]
        add_route(
            router, path, route.listed, listed, (CHAIN_ID_PARAMETER, *paging(MOST_ASSET_ROWS))
        )
        one: MarketHandler = route.find
        add_route(router, f"{path}/{{address}}", one, found, (CHAIN_ID_PARAMETER,))
    return router


class AssetTexts:
    """What is fixed about assets: read from their contracts once.

    Args:
        registry: Asked for those that are not known yet.
    """

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry
        self._known: OrderedDict[Address, dict[str, Any]] = OrderedDict()

    async def of(self, asset: RegisteredAsset) -> Mapping[str, Any]:
        """Return an asset's texts; all null while the chain is out of reach."""
        known = self._known.get(asset.asset)
        if known is None:
            known = await self._read(asset)
        return known

    async def _read(self, asset: RegisteredAsset) -> dict[str, Any]:
        ask = getattr(self._registry, asset.sort.value)
        try:
            found = await ask(asset.asset)
        except ChainUnreachable as fault:
            log.warning("asset_unread", asset=str(asset.asset), cause=str(fault))
            return _unread(asset.sort)
        told = self._known[asset.asset] = _texts(found)
        while len(self._known) > MOST_REMEMBERED:
            self._known.popitem(last=False)
        return told


class RegistryRoutes:
    """The handlers of one sort of assets."""

    def __init__(
        self, parts: MarketParts, texts: AssetTexts, sort: OrderSort, now: Callable[[], int]
    ) -> None:
        self._parts, self._texts, self._sort, self._now = parts, texts, sort, now

    async def listed(self, request: Request) -> Response:
        """List what is registered, the newest first, with the lowest price that is asked now.

        Workerpools that answer lead their list.
        """
        part = queries.page(self._parts.asked(request), MOST_ASSET_ROWS)
        read = partial(newest_assets, sort=self._sort, part=part)
        if self._sort is OrderSort.WORKERPOOL:
            read = partial(pools_there_first, part=part, since=self._now() - POOL_IS_THERE_FOR)
        found, count = await self._parts.database.read(read)
        rows = await self._rows(found)
        told = part.next(len(rows))
        more = {} if told is None else {"nextPage": told}
        return good({f"{self._sort.value}s": rows, "count": count, **more})

    async def find(self, request: Request) -> Response:
        """Tell an asset: its owner, its texts, the lowest price that is asked now."""
        self._parts.asked(request)
        name = forms.address("address", request.path_params["address"])
        found = await self._parts.database.read(partial(find_asset, asset=name))
        if found is None or found.sort is not self._sort:
            raise NotInMarket(self._sort.value)
        (row,) = await self._rows([found])
        return good(row)

    async def _rows(self, found: Sequence[RegisteredAsset]) -> list[dict[str, Any]]:
        is_pool = self._sort is OrderSort.WORKERPOOL
        read = partial(_pool_facts, now=self._now()) if is_pool else _price_facts
        facts = await self._parts.database.read(partial(_each, found=found, read=read))
        texts = await asyncio.gather(*map(self._texts.of, found))
        return [
            {
                "address": str(each.asset),
                "owner": str(each.owner),
                "createdBlock": each.created,
                **fixed,
                **told,
            }
            for each, fixed, told in zip(found, texts, facts, strict=True)
        ]


def _texts(found: App | Dataset | Workerpool) -> dict[str, Any]:
    match found:
        case App() | Dataset():
            return {
                "name": shown(found.name, MOST_ASSET_TEXT),
                "location": _location(found.multiaddr),
            }
        case Workerpool():
            return {
                "name": shown(found.description, MOST_ASSET_TEXT),
                "location": None,
                "workerStakeRatio": found.worker_stake_percent,
                "schedulerRewardRatio": found.scheduler_percent,
            }


def _unread(sort: OrderSort) -> dict[str, Any]:
    policy = ("workerStakeRatio", "schedulerRewardRatio") if sort is OrderSort.WORKERPOOL else ()
    return dict.fromkeys(("name", "location", *policy))


def _location(raw: bytes) -> str | None:
    try:
        return shown(decode(raw), MOST_ASSET_TEXT)
    except UnreadableLocation:
        return None


def _each(connection: BookConnection, found: Sequence[RegisteredAsset], read: Any) -> Any:
    return [read(connection, each) for each in found]


def _price_facts(connection: BookConnection, each: RegisteredAsset) -> dict[str, Any]:
    wanted = BookFilter(each.sort, {each.sort.value: (each.asset,)})
    return {"best": best_price(connection, wanted)}


def _pool_facts(connection: BookConnection, each: RegisteredAsset, now: int) -> dict[str, Any]:
    found = pool_prices(connection, each.asset)
    prices = [{"category": category, "best": best} for category, best in found.items()]
    profile = pools.find(connection, each.asset)
    told = None if profile is None else profile_told(profile, now)
    return {"profile": told, "prices": prices, **_record(connection, each.asset)}


def _record(connection: BookConnection, pool: Address) -> dict[str, Any]:
    """Tell how a pool's newest tasks went."""
    tasks = history.newest_tasks(connection, RECENT_TASKS, pool, EventKind.TASK_INITIALIZE)
    steps = history.steps_of(connection, [task for task, _ in tasks], RECENT_TASKS * 20)
    times, failed = list[int](), 0
    for each in steps.values():
        kinds = {step.kind: step.moment for step in each}
        failed += EventKind.TASK_CLAIMED in kinds
        if EventKind.TASK_FINALIZE in kinds and EventKind.TASK_INITIALIZE in kinds:
            times.append(kinds[EventKind.TASK_FINALIZE] - kinds[EventKind.TASK_INITIALIZE])
    newest = max((step.moment for each in steps.values() for step in each), default=None)
    return {
        "recentTasks": len(tasks),
        "completed": len(times),
        "failed": failed,
        "medianSeconds": int(median(times)) if times else None,
        "lastTimestamp": None if newest is None else iso_moment(newest * 1000),
    }
