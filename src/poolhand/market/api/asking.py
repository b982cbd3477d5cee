"""What every route does first: is the chain ours, what is in query and body?"""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from poolhand.domain.ids import Address
from poolhand.domain.json_text import parse_json
from poolhand.domain.market.refusals import BadParameter
from poolhand.market.api.answers import MARKET_FAULT_ANSWERS
from poolhand.market.authorization import Authorization
from poolhand.market.follower import Follower
from poolhand.market.publisher import Publisher
from poolhand.ports.chain import HubFacts
from poolhand.ports.market_chain import RegistryReader
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.described import DescribedRoute
from poolhand.wire.json_models import Schema
from poolhand.wire.market_forms import required
from poolhand.wire.market_queries import QueryParameter
from poolhand.wire.market_schemas import ADDRESS, TEXT_SCHEMA, WORD_SCHEMA, whole_schema

MarketHandler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]


@dataclass(frozen=True, slots=True)
class MarketParts:
    """What the routes of one market work with."""

    facts: HubFacts
    database: MarketDatabase
    authorization: Authorization
    publisher: Publisher
    follower: Follower
    trouble: Callable[[], str]
    registry: RegistryReader

    def asked(self, request: Request) -> Mapping[str, str]:
        """Return the query, once it is for this market's chain.

        Raises:
            BadParameter: ``chainId`` is missing, or of another chain.
        """
        query = request.query_params
        chain_id = required("chainId", query.get("chainId"))
        if chain_id != str(self.facts.chain_id):
            raise BadParameter(f"chainId {chain_id[:80]} is not supported")
        return query

    async def author(self, request: Request) -> Address:
        """Return who proved to send a request; uses up the challenge.

        Raises:
            InvalidAuthorization: Nobody did.
        """
        return await self.authorization.proved(request.headers.get("authorization"))


async def body_of(request: Request) -> Mapping[str, Any]:
    """Return a request's JSON object.

    Raises:
        BadParameter: It is none, or nested too deeply.
        BodyTooLarge: It is over the limit.
    """
    try:
        found = parse_json(await request.body())
    except ValueError as fault:
        raise BadParameter("the body is no valid JSON") from fault
    if not isinstance(found, dict):
        raise BadParameter("the body is no JSON object")
    return found


def add_route(
    router: APIRouter,
    path: str,
    handler: MarketHandler,
    answer: Any,
    parameters: Sequence[QueryParameter] = (),
    *,
    method: str = "GET",
    body: type[BaseModel] | Schema | None = None,
    signed: bool = False,
) -> None:
    """Add a route with its description.

    Args:
        router: Of the market.
        path: With ``{names}``.
        handler: Its docstring is the description.
        answer: Model of a good answer.
        parameters: Of the query.
        method: Of HTTP.
        body: Of the request: a model whose parts are those of answers, or a schema.
        signed: Whether it wants an ``authorization`` header.
    """

    def told() -> dict[str, Any]:
        extra: dict[str, Any] = {"parameters": [each.described() for each in parameters]}
        extra["parameters"] += [_in_path(name) for name in re.findall(r"{(\w+)}", path)]
        if signed:
            extra["parameters"].append(_AUTHORIZATION)
        if body is not None:
            schema = body if isinstance(body, dict) else _schema_of(body)
            extra["requestBody"] = {
                "required": True, "content": {"application/json": {"schema": schema}},
            }  # fmt: skip
        return {
            "response_model": answer,
            "responses": MARKET_FAULT_ANSWERS,
            "openapi_extra": extra,
            "description": handler.__doc__,
            "operation_id": f"{method.lower()}{path.replace('/', '-').translate(_PLAIN)}",
        }

    router.routes.append(DescribedRoute(path, handler, method, told))


_AUTHORIZATION: Final = {
    "name": "authorization",
    "in": "header",
    "required": True,
    "description": "`<digest>_<signature>_<address>` of a challenge",
    "schema": {"type": "string"},
}
_PLAIN = str.maketrans("", "", "{}")
_PATH_FORMS: Final = {
    "address": ADDRESS,
    "catid": whole_schema(),
    "chain": TEXT_SCHEMA,
    **dict.fromkeys(("dealid", "orderHash", "taskid"), WORD_SCHEMA),
}
"""What stands in paths, by name."""


def _schema_of(model: type[BaseModel]) -> Schema:
    found = model.model_json_schema(ref_template="#/components/schemas/{model}")
    return {name: part for name, part in found.items() if name != "$defs"}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": _PATH_FORMS[name]}
