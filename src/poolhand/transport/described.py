"""Routes whose description is made when somebody asks for it, not when the service starts.

FastAPI makes a validator of every answer's model for each route, which for the market's models is
more work than all else that its start does; a handler that reads the request and writes the answer
by itself needs none of it.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route


class DescribedRoute(Route):
    """A route of a handler that takes the request and returns the response.

    Args:
        path: With ``{names}``.
        handler: It reads what was asked, and refuses it, by itself.
        method: Of HTTP.
        told: Returns what FastAPI's ``add_api_route`` takes besides, for the description alone.
    """

    def __init__(
        self,
        path: str,
        handler: Callable[[Request], Coroutine[Any, Any, Response]],
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


class DescribedApplication(FastAPI):
    """An application that describes such routes among FastAPI's own, in their order."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document; made once."""
        if self.openapi_schema is None:
            twin = FastAPI(title=self.title, version=self.version)
            for route in self.routes:
                if isinstance(route, DescribedRoute):
                    route.describe_in(twin)
                elif isinstance(route, APIRoute):
                    twin.router.routes.append(route)
            self.openapi_schema = twin.openapi()
        return self.openapi_schema
