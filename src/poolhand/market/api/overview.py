"""What happens now: the block, open orders, what categories cost, the newest deals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.market.refusals import NotInMarket
from poolhand.domain.market.task_story import TaskStep
from poolhand.domain.onchain import EventKind, Head
from poolhand.domain.units import UnixSeconds
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route
from poolhand.market.api.tasks import standing_of
from poolhand.store.market.database import BookConnection
from poolhand.store.market.history import ended_among, latest_events
from poolhand.store.market.kinds import open_counts
from poolhand.store.market.newest import CategoryPrices, category_prices, newest_deals
from poolhand.transport.asgi import service_router
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_looks import MarketOverview
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER

NEWEST_TOLD: Final = 12
"""Deals, tasks under way, and ended tasks, that are told."""
TASKS_LOOKED_THROUGH: Final = 50
"""Tasks, the newest, among which those under way are looked for."""


def overview_routes(parts: MarketParts) -> APIRouter:
    """Return the route."""
    router, route = service_router(), OverviewRoute(parts)
    add_route(router, "/overview", route.overview, MarketOverview, (CHAIN_ID_PARAMETER,))
    return router


class OverviewRoute:
    """The handler."""

    def __init__(self, parts: MarketParts) -> None:
        self._parts = parts

    async def overview(self, request: Request) -> Response:
        """Tell what happens now: the block, open orders, prices by category, deals and tasks.

        Of deals and tasks it is the newest; tasks under way are among the last 50 that began.
        """
        parts = self._parts
        parts.asked(request)
        at, seen = parts.follower.at, parts.follower.seen
        told = {
            "hub": str(parts.facts.hub),
            "trouble": parts.trouble() or None,
            "block": None if at is None else block_told(at),
            "chainBlock": None if seen is None else seen.number,
        }
        now = UnixSeconds(0) if at is None else at.timestamp
        return good({**told, **await parts.database.read(partial(_read, now=now))})


def block_told(head: Head) -> dict[str, Any]:
    """Return a block's JSON."""
    moment = iso_moment(head.timestamp * 1000)
    return {"number": head.number, "hash": str(head.block_hash), "timestamp": moment}


def _read(connection: BookConnection, now: UnixSeconds) -> dict[str, Any]:
    return {
        "orders": {sort.value: count for sort, count in open_counts(connection).items()},
        "prices": [_price(each) for each in category_prices(connection)],
        "tasks": {
            "underWay": list(_under_way(connection, now)),
            "completed": _settled(connection, EventKind.TASK_FINALIZE),
            "claimed": _settled(connection, EventKind.TASK_CLAIMED),
        },
        "deals": newest_deals(connection, NEWEST_TOLD),
    }


def _under_way(connection: BookConnection, now: UnixSeconds) -> Iterator[dict[str, Any]]:
    """Yield how tasks that have begun and not ended stand, the newest first."""
    begun = latest_events(connection, EventKind.TASK_INITIALIZE, TASKS_LOOKED_THROUGH)
    ended = ended_among(connection, [task for task, _ in begun])
    found = [(task, step) for task, step in begun if task not in ended][:NEWEST_TOLD]
    for task, step in found:
        with suppress(NotInMarket):  # its deal is older than all that the market has read
            status = standing_of(connection, task, now).value
            yield {"taskid": str(task), "status": status, **_place(step)}


def _settled(connection: BookConnection, kind: EventKind) -> list[dict[str, Any]]:
    return [
        {"taskid": str(task), **_place(step)}
        for task, step in latest_events(connection, kind, NEWEST_TOLD)
    ]


def _place(step: TaskStep) -> dict[str, Any]:
    return {"timestamp": iso_moment(step.moment * 1000), "block": step.block}


def _price(each: CategoryPrices) -> dict[str, Any]:
    told, last = each.category, each.last
    return {
        "category": told["catid"],
        "name": told["name"],
        "workClockTimeRef": told["workClockTimeRef"],
        "best": each.best,
        "last": None if last is None else last.price,
        "lastTimestamp": None if last is None else iso_moment(last.moment * 1000),
    }
