"""The endpoints for computers that join the pool: signed files, a script, a page for people."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header
from starlette.responses import HTMLResponse, Response

from poolhand.scheduler.api.summary import SummaryTeller
from poolhand.scheduler.joining.docker_files import DOCKER_PATH
from poolhand.scheduler.joining.join_files import (
    REQUIREMENTS_PATH,
    SCRIPT_PATH,
    WHEEL_PATH,
    WINDOWS_SCRIPT_PATH,
    JoinTeller,
)
from poolhand.scheduler.joining.join_page import JOIN_PAGE_HEADERS, join_page, system_of
from poolhand.transport.asgi import service_router
from poolhand.wire.join_api import JoinManifest
from poolhand.wire.pool_api import PoolConfig

_KEPT: Final = {"Cache-Control": "public, max-age=60", "X-Content-Type-Options": "nosniff"}


def _file(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}}


def join_routes(config: PoolConfig, joining: JoinTeller, summary: SummaryTeller) -> APIRouter:
    """Return the endpoints.

    Args:
        config: What the pool says of itself.
        joining: Has the files.
        summary: Has the pool's figures, for the page.
    """
    router = service_router()

    @router.get("/join/manifest.json")
    async def manifest() -> JoinManifest:
        """Name the files by which a worker joins, each with its hash, signed by the owner."""
        return (await joining.files()).manifest

    @router.get(WHEEL_PATH, response_class=Response, responses=_file("application/zip"))
    async def wheel() -> Response:
        """Give the wheel of the very version that this pool runs."""
        return _given((await joining.files()).wheel, "application/zip")

    @router.get(REQUIREMENTS_PATH, response_class=Response, responses=_file("text/plain"))
    async def requirements() -> Response:
        """Give the list of what is installed: names, versions, hashes, and no address."""
        return _given((await joining.files()).requirements, "text/plain; charset=utf-8")

    @router.get(SCRIPT_PATH, response_class=Response, responses=_file("text/x-shellscript"))
    async def script() -> Response:
        """Give the script that turns a computer with Linux or macOS into a worker of this pool."""
        return _given((await joining.files()).script, "text/x-shellscript; charset=utf-8")

    @router.get(DOCKER_PATH, response_class=Response, responses=_file("application/gzip"))
    async def docker() -> Response:
        """Give what a worker's and its signer's images are built and started from, by Docker."""
        return _given((await joining.files()).docker, "application/gzip")

    @router.get(WINDOWS_SCRIPT_PATH, response_class=Response, responses=_file("text/plain"))
    async def windows_script() -> Response:
        """Give the script that has the Linux of a computer with Windows become such a worker."""
        return _given((await joining.files()).windows_script, "text/plain; charset=utf-8")

    @router.get("/join", response_class=HTMLResponse)
    async def page(
        user_agent: Annotated[str, Header(include_in_schema=False)] = "",
    ) -> HTMLResponse:
        """Show a person how to join, what it costs and what it brought others."""
        made, theirs = await joining.files(), system_of(user_agent)
        told = join_page(config, await summary.summary(), made.manifest, made.docker, theirs)
        return HTMLResponse(told, headers={**JOIN_PAGE_HEADERS, "Vary": "User-Agent"})

    return router


def _given(content: bytes, kind: str) -> Response:
    return Response(content, headers={**_KEPT, "Content-Type": kind})
