"""The four collections of orders: list, look up, publish, unpublish.

Source: market API 7, services-api.md 2.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder, traits_of
from poolhand.domain.market.publishing import Publication
from poolhand.domain.market.refusals import RESOURCE, BadParameter, NotInMarket, collection
from poolhand.domain.market.unpublishing import UnpublishTarget, Withdrawal
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.eip712 import order_hash
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route, body_of
from poolhand.store.market import orders
from poolhand.store.market.lists import ListedOrder, list_orders
from poolhand.transport.asgi import service_router
from poolhand.wire import market_forms as forms
from poolhand.wire.market_api import (
    LIST_ANSWERS,
    ORDER_ANSWERS,
    PUBLISH_BODIES,
    PUBLISHED,
    Unpublished,
)
from poolhand.wire.market_json import iso_moment
from poolhand.wire.market_orders import market_order, published_order
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, LIST_PARAMETERS, list_filter, page
from poolhand.wire.market_schemas import ADDRESS, WORD_SCHEMA

TARGETS = ", ".join(UnpublishTarget)


def order_routes(parts: MarketParts) -> APIRouter:
    """Return the routes of every collection."""
    router = service_router()
    for sort in OrderSort:
        _add_collection(router, parts, sort)
    return router


def _add_collection(router: APIRouter, parts: MarketParts, sort: OrderSort) -> None:
    path, route = f"/{collection(sort)}s", CollectionRoutes(parts, sort)
    add_route(router, path, route.list, LIST_ANSWERS[sort], LIST_PARAMETERS[sort])
    add_route(
        router, f"{path}/{{orderHash}}", route.find, ORDER_ANSWERS[sort], (CHAIN_ID_PARAMETER,)
    )
    add_route(
        router, path, route.publish, PUBLISHED[sort], (CHAIN_ID_PARAMETER,),
        method="POST", signed=True, body=PUBLISH_BODIES[sort],
    )  # fmt: skip
    add_route(
        router, path, route.unpublish, Unpublished, (CHAIN_ID_PARAMETER,),
        method="PUT", signed=True, body=_unpublish_schema(sort),
    )  # fmt: skip


def _unpublish_schema(sort: OrderSort) -> dict[str, Any]:
    one, named = UnpublishTarget.ONE, RESOURCE[sort]
    several = [each.value for each in UnpublishTarget if each is not one]
    return {
        "oneOf": [
            {
                "type": "object",
                "required": ["orderHash"],
                "properties": {"target": {"enum": [one.value]}, "orderHash": WORD_SCHEMA},
            },
            {
                "type": "object",
                "required": ["target", named],
                "properties": {"target": {"enum": several}, named: ADDRESS},
            },
        ]
    }


class CollectionRoutes:
    """The handlers of one collection."""

    def __init__(self, parts: MarketParts, sort: OrderSort) -> None:
        self._parts, self._sort = parts, sort
        self._chain_id = parts.facts.chain_id
        self._domain = parts.facts.domain

    async def list(self, request: Request) -> Response:
        """List open orders: best price first, then the longest in the book."""
        asked = self._parts.asked(request)
        part, wanted = page(asked), list_filter(self._sort, asked)
        work = partial(list_orders, wanted=wanted, part=part)
        found = await self._parts.database.read(work)
        rows = [self._row(row) for row in found.rows]
        told = part.next(len(rows))
        more = {} if told is None else {"nextPage": told}
        return good({"orders": rows, "count": found.count, **more})

    async def find(self, request: Request) -> Response:
        """Tell an order, whatever its status."""
        asked = self._parts.asked(request)
        name = forms.word(OrderHash, "orderHash", request.path_params["orderHash"])
        work = partial(orders.find, sort=self._sort, name=name)
        found = await self._parts.database.read(work)
        if found is None:
            raise NotInMarket(collection(self._sort))
        return good({**self._standing(found.entry), "chainId": asked["chainId"]})

    async def publish(self, request: Request) -> Response:
        """Publish a signed order; a new challenge is needed each time."""
        self._parts.asked(request)
        by = await self._parts.author(request)
        body = await body_of(request)
        order, sign = published_order(self._sort, body.get("order"))
        asked = Publication(order_hash(self._domain, order), order, sign, by)
        entry = await self._parts.publisher.publish(asked)
        return good({"published": self._record(entry)})

    async def unpublish(self, request: Request) -> Response:
        """Take the signer's orders out of the book; on chain they stay valid until cancelled."""
        self._parts.asked(request)
        by = await self._parts.author(request)
        asked = self._withdrawal(await body_of(request), by)
        names = await self._parts.publisher.unpublish(asked)
        return good({"unpublished": [str(name) for name in names]})

    def _withdrawal(self, body: Mapping[str, Any], by: Address) -> Withdrawal:
        target = _target(body.get("target", UnpublishTarget.ONE.value))
        if target is UnpublishTarget.ONE:
            given = forms.required("orderHash", body.get("orderHash"))
            name = forms.word(OrderHash, "orderHash", given)
            return Withdrawal(self._sort, target, by, order_hash=name)
        named = RESOURCE[self._sort]
        resource = forms.address(named, forms.required(named, body.get(named)))
        return Withdrawal(self._sort, target, by, resource=resource)

    def _row(self, row: ListedOrder) -> dict[str, Any]:
        told = {
            "orderHash": row.order_hash,
            "chainId": self._chain_id,
            "order": row.document,
            "remaining": row.remaining,
            "status": row.status,
            "publicationTimestamp": iso_moment(row.published),
            "signer": str(Address.parse(row.signer)),
        }
        return {**told, "bulk": row.is_bulk} if self._sort is OrderSort.DATASET else told

    def _record(self, entry: BookOrder) -> dict[str, Any]:
        told = {**self._standing(entry), "chainId": self._chain_id}
        is_bulk = traits_of(entry.order).is_bulk
        return {**told, "bulk": is_bulk} if self._sort is OrderSort.DATASET else told

    def _standing(self, entry: BookOrder) -> dict[str, Any]:
        return {
            "orderHash": str(entry.order_hash),
            "order": market_order(self._sort, entry.order, entry.sign),
            "remaining": entry.remaining,
            "status": entry.status.value,
            "publicationTimestamp": iso_moment(entry.published),
            "signer": str(entry.signer),
        }


def _target(value: Any) -> UnpublishTarget:
    try:
        return UnpublishTarget(value)
    except ValueError:
        raise BadParameter(f"target must be one of the following values: {TARGETS}") from None
