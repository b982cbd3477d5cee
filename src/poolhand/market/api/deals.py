"""Deals, categories and prices, as the chain has them.

Source: market API 7, services-api.md 2.5.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.ids import DealId
from poolhand.domain.market.refusals import NotInMarket
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route
from poolhand.store.market import lists
from poolhand.store.market.deals import find_deal, list_deals
from poolhand.transport.asgi import service_router
from poolhand.wire import market_forms as forms
from poolhand.wire import market_queries as queries
from poolhand.wire.market_api import (
    CategoryAnswer,
    CategoryList,
    DealAnswer,
    DealList,
    PriceHistory,
)
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, QueryParameter
from poolhand.wire.market_schemas import whole_schema


def deal_routes(parts: MarketParts) -> APIRouter:
    """Return the routes of what happened on chain."""
    router, route = service_router(), ChainRoutes(parts)
    category = QueryParameter("category", "number of the category", whole_schema(), required=True)
    add_route(router, "/deals", route.deals, DealList, queries.DEAL_PARAMETERS)
    add_route(router, "/deals/{dealid}", route.deal, DealAnswer, (CHAIN_ID_PARAMETER,))
    add_route(router, "/categories", route.categories, CategoryList, queries.CATEGORY_PARAMETERS)
    add_route(router, "/categories/{catid}", route.category, CategoryAnswer, (CHAIN_ID_PARAMETER,))
    add_route(router, "/ohlc", route.prices, PriceHistory, (CHAIN_ID_PARAMETER, category))
    return router


class ChainRoutes:
    """The handlers."""

    def __init__(self, parts: MarketParts) -> None:
        self._parts = parts

    async def deals(self, request: Request) -> Response:
        """List deals, newest block first; several conditions all hold.

        Of several, one is met by fewest deals: the newest 10,000 of these are looked at for the
        others, and counted.
        """
        asked = self._parts.asked(request)
        part, wanted = queries.page(asked), queries.deal_filter(asked)
        work = partial(list_deals, wanted=wanted, part=part)
        return _listed("deals", await self._parts.database.read(work), part.next)

    async def deal(self, request: Request) -> Response:
        """Tell a deal."""
        self._parts.asked(request)
        name = forms.word(DealId, "dealid", request.path_params["dealid"])
        found = await self._parts.database.read(partial(find_deal, deal_id=str(name)))
        if found is None:
            raise NotInMarket("deal")
        return good(found)

    async def categories(self, request: Request) -> Response:
        """List categories by their reference time."""
        asked = self._parts.asked(request)
        part, (least, most) = queries.page(asked), queries.time_bounds(asked)
        work = partial(lists.list_categories, least=least, most=most, part=part)
        return _listed("categories", await self._parts.database.read(work), part.next)

    async def category(self, request: Request) -> Response:
        """Tell a category."""
        asked = self._parts.asked(request)
        index = forms.whole("catid", request.path_params["catid"])
        found = await self._parts.database.read(partial(lists.find_category, index=index))
        if found is None:
            raise NotInMarket("category")
        return good({**found, "chainId": asked["chainId"]})

    async def prices(self, request: Request) -> Response:
        """Tell what the newest 100 deals of a category cost, newest block first."""
        asked = self._parts.asked(request)
        category = forms.whole("category", forms.required("category", asked.get("category")))
        work = partial(lists.price_history, category=category)
        found = await self._parts.database.read(work)
        rows = [[iso_moment(each.moment * 1000), each.price, each.volume] for each in found]
        return good({"ohlc": rows})


def _listed(name: str, found: lists.Listed, following: Any) -> Response:
    told = following(len(found.rows))
    more = {} if told is None else {"nextPage": told}
    return good({name: found.rows, "count": found.count, **more})
