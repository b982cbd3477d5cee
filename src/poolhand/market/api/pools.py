"""Pools: register one, list them, find one; and where a pool's API is, as iExec's Compass says.

Source: services-api.md 5.1 and services-api-2.md D (the last route).
"""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.errors import Malformed
from poolhand.domain.json_text import parse_json
from poolhand.domain.market.profiles import POOL_IS_THERE_FOR, PoolProfile
from poolhand.domain.market.refusals import BadParameter, NotInMarket
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route, body_of
from poolhand.market.pool_register import PoolRegister
from poolhand.store.market import pools
from poolhand.store.market.pools import PoolRow
from poolhand.transport.asgi import service_router
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire import market_forms as forms
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_pools import (
    LivePool,
    MarketPool,
    PoolAddress,
    PoolAnswer,
    PoolForgotten,
    PoolList,
    PoolRegistration,
)
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, PAGING, page

_MOST_READ_OF_BODY: Final = 2_000
"""Characters of a text of the body that are looked at."""


def pool_routes(parts: MarketParts, register: PoolRegister) -> APIRouter:
    """Return the routes."""
    router, route = service_router(), PoolRoutes(parts, register)
    add_route(router, "/pools", route.list, PoolList, (CHAIN_ID_PARAMETER, *PAGING))
    add_route(router, "/pools/{address}", route.find, PoolAnswer, (CHAIN_ID_PARAMETER,))
    add_route(
        router, "/pools/{address}", route.put, PoolAnswer, (CHAIN_ID_PARAMETER,),
        method="PUT", signed=True, body=PoolRegistration,
    )  # fmt: skip
    add_route(
        router, "/pools/{address}", route.delete, PoolForgotten, (CHAIN_ID_PARAMETER,),
        method="DELETE", signed=True,
    )  # fmt: skip
    add_route(router, "/{chain}/workerpools/{address}", route.compass, PoolAddress)
    return router


class PoolRoutes:
    """The handlers."""

    def __init__(self, parts: MarketParts, register: PoolRegister) -> None:
        self._parts, self._register = parts, register

    async def list(self, request: Request) -> Response:
        """List registered pools, those first that answered last."""
        asked = self._parts.asked(request)
        part = page(asked)
        rows, count = await self._parts.database.read(partial(pools.page, part=part))
        told = part.next(len(rows))
        more = {} if told is None else {"nextPage": told}
        return good({"pools": [self._told(row) for row in rows], "count": count, **more})

    async def find(self, request: Request) -> Response:
        """Tell a pool: what its owner says of it, and what it answered last."""
        self._parts.asked(request)
        return good({"pool": self._told(await self._found(request))})

    async def put(self, request: Request) -> Response:
        """Register a pool, or change what is said of it; its owner signs a new challenge."""
        self._parts.asked(request)
        by = await self._parts.author(request)
        body = await body_of(request)
        profile = PoolProfile(
            workerpool=forms.address("address", request.path_params["address"]),
            owner=by,
            name=_text(body, "name"),
            description=_text(body, "description", default=""),
            url=_text(body, "url").rstrip("/"),
            results_url=_text(body, "resultsUrl").rstrip("/"),
        )
        return good({"pool": self._told(await self._register.register(profile))})

    async def delete(self, request: Request) -> Response:
        """Forget a pool; its owner signs a new challenge. Its orders stay until unpublished."""
        self._parts.asked(request)
        by = await self._parts.author(request)
        address = forms.address("address", request.path_params["address"])
        await self._register.unregister(address, by)
        return good({"workerpool": str(address)})

    async def compass(self, request: Request) -> Response:
        """Tell where a pool's API is, as the iExec SDK asks iExec's Compass for it."""
        if request.path_params["chain"] != str(self._parts.facts.chain_id):
            raise NotInMarket("workerpool")
        profile = (await self._found(request)).profile
        told = PoolAddress(address=profile.workerpool, name=profile.name, api_url=profile.url)
        return JsonAnswer(told.model_dump(mode="json"))

    async def _found(self, request: Request) -> PoolRow:
        address = forms.address("address", request.path_params["address"])
        found = await self._parts.database.read(partial(pools.find, workerpool=address))
        if found is None:
            raise NotInMarket("workerpool")
        return found

    def _told(self, row: PoolRow) -> dict[str, Any]:
        return profile_told(row, self._register.now())


def profile_told(row: PoolRow, now: int) -> dict[str, Any]:
    """Return a pool's JSON; ``now`` is in milliseconds since 1970."""
    seen, profile = row.seen, row.profile
    is_there = seen is not None and seen > now - POOL_IS_THERE_FOR
    return MarketPool(
        workerpool=profile.workerpool,
        owner=profile.owner,
        name=profile.name,
        description=profile.description,
        url=profile.url,
        results_url=profile.results_url,
        registered=iso_moment(row.registered),
        reachable=is_there and not row.trouble,
        last_seen=None if seen is None else iso_moment(seen),
        trouble=row.trouble or None,
        live=_live(row.live),
    ).model_dump(mode="json")


def _live(text: str) -> LivePool | None:
    try:
        return LivePool.model_validate(parse_json(text.encode())) if text else None
    except (ValueError, Malformed):
        return None  # of an older version of the market


def _text(body: Any, name: str, default: str | None = None) -> str:
    value = body.get(name, default)
    if value is None:
        raise BadParameter(f"{name} is a required field")
    if not isinstance(value, str) or len(value) > _MOST_READ_OF_BODY:
        raise BadParameter(
            f"{name} must be a `string` type of {_MOST_READ_OF_BODY} characters at most"
        )
    return value
