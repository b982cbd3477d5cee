"""Routes whose description is made when somebody asks for it, not when the service starts.

FastAPI makes a validator of every answer's model for each route, which for the market's models is
more work than all else that its start does, and a worker's page would load the whole of it for nine
routes. A handler that reads the request and writes the answer by itself needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from poolhand import __version__

if TYPE_CHECKING:
    from fastapi import FastAPI

EndpointHandler: TypeAlias = Callable[[Request], Coroutine[Any, Any, Response]]
"""It reads what was asked, and refuses it, by itself."""


class DescribedRoute(Route):
    """A route of a handler that takes the request and returns the response.

    Args:
        path: With ``{names}``.
        handler: Answers.
        method: Of HTTP.
        told: Returns what FastAPI's ``add_api_route`` takes besides, for the description alone.
    """

    def __init__(
        self,
        path: str,
        handler: EndpointHandler,
        method: str,
        told: Callable[[], Mapping[str, Any]],
    ) -> None:
        super().__init__(path, handler, methods=[method])
        self.methods = {method}  # HEAD is not added to GET
        self._told = told

    def describe_in(self, app: FastAPI) -> None:
        """Give an application that is there to be described a route like this one."""
        methods = list(self.methods or ())
        app.add_api_route(self.path, self.endpoint, methods=methods, **self._told())


def document_of(title: str, routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Return the OpenAPI document of a service: of described routes and of FastAPI's own."""
    from fastapi import FastAPI  # noqa: PLC0415 - slow, and seldom needed
    from fastapi.routing import APIRoute  # noqa: PLC0415

    twin = FastAPI(title=title, version=__version__)
    for route in routes:
        if isinstance(route, DescribedRoute):
            route.describe_in(twin)
        elif isinstance(route, APIRoute):
            twin.router.routes.append(route)
    return twin.openapi()


def body_told(model: type[BaseModel]) -> dict[str, Any]:
    """Return how OpenAPI tells of a body with these members, none of which is a model."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def query_told(model: type[BaseModel]) -> list[dict[str, Any]]:
    """Return how OpenAPI tells of a query with these parameters."""
    return [
        {"name": name, "in": "query", "required": False, "schema": schema}
        for name, schema in model.model_json_schema()["properties"].items()
    ]
