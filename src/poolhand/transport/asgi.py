"""What every HTTP service of Poolhand shares: errors as JSON, limits, and a server without signals.

Services whose handlers read requests by themselves do without FastAPI, see ``transport.plain``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeAlias

from fastapi import APIRouter, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from poolhand import __version__
from poolhand.transport.api_page import api_pages
from poolhand.transport.described import document_of
from poolhand.transport.faults import (
    ENDPOINT_FAULT_ANSWERS,
    fault_body,
    fault_response,
    form_sentence,
    install_faults,
)
from poolhand.transport.guards import MAX_BODY, hosts_of, install_guards
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.listen import bind, port_of, serve, serve_on

__all__ = ["application", "bind", "fault_response", "hosts_of", "port_of", "serve", "serve_on"]

Lifespan: TypeAlias = Callable[[FastAPI], AbstractAsyncContextManager[None]]


def service_router(**options: Any) -> APIRouter:
    """Return a router for endpoints of ``application``, which takes them as they are.

    FastAPI's own way, to include a router into an application, makes every endpoint anew.

    Args:
        options: Of FastAPI's router.
    """
    return APIRouter(responses=ENDPOINT_FAULT_ANSWERS, default_response_class=JsonAnswer, **options)


def application(
    title: str,
    routes: Iterable[APIRouter | BaseRoute],
    *,
    max_body: int = MAX_BODY,
    hosts: frozenset[str] | None = None,
    lifespan: Lifespan | None = None,
) -> FastAPI:
    """Build a service.

    Args:
        title: Shown in its OpenAPI document (``/openapi.json``, ``/docs``).
        routes: Routers (``service_router``), plain routes (WebSockets), and described ones.
        max_body: Bytes of a request body.
        hosts: Names under which it may be asked, see ``hosts_of``; None: any.
        lifespan: Runs around the service.
    """
    app = FastAPI(
        title=title,
        version=__version__,
        lifespan=lifespan,
        openapi_url=None,  # ours are made beside the loop, and load nothing from a CDN
        docs_url=None,
        redoc_url=None,
        default_response_class=JsonAnswer,
    )
    app.router.routes.extend(api_pages(lambda: document_of(title, app.routes)))
    for route in routes:
        app.router.routes.extend(route.routes if isinstance(route, APIRouter) else (route,))
    install_faults(app)
    app.add_exception_handler(RequestValidationError, _tell_invalid)
    install_guards(app, max_body=max_body, hosts=hosts)
    return app


async def _tell_invalid(_: Request, fault: Exception) -> JSONResponse:
    assert isinstance(fault, RequestValidationError)
    errors = ((".".join(map(str, each["loc"][1:])), each) for each in fault.errors())
    return fault_body(400, "invalid-request", form_sentence(errors))
