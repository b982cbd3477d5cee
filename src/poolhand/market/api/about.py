"""The market itself: challenges, version, counts, health.

Source: market API 7, services-api.md 2.1 and 2.5.
"""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from poolhand import __version__
from poolhand.domain.market.challenges import GATEWAY_NAME
from poolhand.domain.market.refusals import collection
from poolhand.market.api.answers import good
from poolhand.market.api.asking import MarketParts, add_route
from poolhand.store.market.kinds import open_counts
from poolhand.transport.asgi import service_router
from poolhand.transport.json_answer import JsonAnswer
from poolhand.wire import market_forms as forms
from poolhand.wire.challenge_json import typed_challenge
from poolhand.wire.market_api import ChallengeAnswer, MarketHealth, MarketMetrics, MarketVersion
from poolhand.wire.market_queries import CHAIN_ID_PARAMETER, QueryParameter
from poolhand.wire.market_schemas import ADDRESS


def about_routes(parts: MarketParts) -> APIRouter:
    """Return the routes."""
    router, route = service_router(), AboutRoutes(parts)
    address = QueryParameter("address", "who is going to sign", ADDRESS, required=True)
    add_route(router, "/challenge", route.challenge, ChallengeAnswer, (CHAIN_ID_PARAMETER, address))
    add_route(router, "/metrics", route.metrics, MarketMetrics, (CHAIN_ID_PARAMETER,))
    add_route(router, "/version", route.version, MarketVersion)
    add_route(router, "/health", route.health, MarketHealth)
    return router


class AboutRoutes:
    """The handlers."""

    def __init__(self, parts: MarketParts) -> None:
        self._parts = parts

    async def challenge(self, request: Request) -> Response:
        """Give typed data to sign: good for one write, for some minutes."""
        asked = self._parts.asked(request)
        address = forms.address("address", forms.required("address", asked.get("address")))
        told = self._parts.authorization.challenge(address)
        return good({"data": typed_challenge(GATEWAY_NAME, asked["chainId"], told)})

    async def metrics(self, request: Request) -> Response:
        """Tell how far the chain was read, and how many orders are open."""
        self._parts.asked(request)
        counts = await self._parts.database.read(open_counts)
        at, seen = self._parts.follower.at, self._parts.follower.seen
        blocks = {"lastBlock": _number(seen or at), "checkpointBlock": _number(at)}
        return good({**blocks, **{f"{collection(each)}s": n for each, n in counts.items()}})

    async def version(self, _: Request) -> Response:
        """Tell which Poolhand serves."""
        return good({"version": __version__})

    async def health(self, _: Request) -> Response:
        """Tell whether the chain is in reach, and of which block the book is."""
        told, at = self._parts.trouble(), self._parts.follower.at
        members = {
            "ok": not told and at is not None,
            "version": __version__,
            "hub": str(self._parts.facts.hub),
            "chain": told or None,
            "block": None if at is None else at.number,
        }
        return JsonAnswer(members)


def _number(head: Any) -> int:
    return 0 if head is None else int(head.number)
