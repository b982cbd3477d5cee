"""Pages over HTTP: found, made, written, and told what a browser may load for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from poolhand.market.pages.assets import page_assets
from poolhand.market.pages.frame import Frame
from poolhand.market.pages.own_api import ApiOutage, ApiRefusal, OwnApi
from poolhand.market.pages.shown import Shown, Visit
from poolhand.market.pages.table import ROOT, find_page

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a browser may load for a page: our own files, and no script that stands in a page."""
HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
MOST_QUERY: Final = 2_000
"""Characters of a page's query."""


class PageMaker:
    """Makes pages of the market's own API.

    Args:
        api: To be asked.
        frame: Writes them.
    """

    def __init__(self, api: OwnApi, frame: Frame) -> None:
        self._api, self._frame = api, frame

    async def whole(self, path: str, query: Mapping[str, str]) -> tuple[int, str]:
        """Return a page's HTTP status and its HTML; what cannot be shown has a page, too."""
        visit, page = await self._made(path, query)
        return page.status, self._frame.whole(page, _place(visit))

    async def part(self, path: str, query: Mapping[str, str]) -> str:
        """Return what of a page changes while it is open."""
        visit, page = await self._made(path, query)
        return self._frame.part(page, _place(visit))

    async def _made(self, path: str, query: Mapping[str, str]) -> tuple[Visit, Shown]:
        found = find_page(path)
        visit = Visit(self._api, ROOT + path, found.named if found else {}, query)
        if found is None:
            return visit, _missing("there is no such page")
        try:
            return visit, await found.view(visit)
        except ApiRefusal as fault:
            return visit, _missing(str(fault), fault.status)
        except ApiOutage as fault:
            return visit, _missing(str(fault), 503)


def _missing(words: str, status: int = 404) -> Shown:
    title = {404: "Not found", 503: "Not now"}.get(status, "That cannot be read")
    return Shown("missing.html", title, {"words": words, "status": status}, status)


def _place(visit: Visit) -> dict[str, Any]:
    return {"path": visit.path, "query": dict(visit.query), "sources": visit.sources}


def page_routes(maker: PageMaker) -> list[BaseRoute]:
    """Return the routes of pages and of the files that they load."""

    async def page(request: Request) -> Response:
        if len(request.url.query) > MOST_QUERY:
            return RedirectResponse(request.url.path, 303, HEADERS)
        path = request.path_params["path"]
        status, text = await maker.whole(path, dict(request.query_params))
        return HTMLResponse(text, status, HEADERS)

    async def asset(request: Request) -> Response:
        found = page_assets().get(request.path_params["name"])
        if found is None:
            return Response("there is no such file", 404, HEADERS, "text/plain")
        headers = {**HEADERS, "Cache-Control": _FOR_GOOD}
        return Response(found.body, 200, headers, found.kind)

    async def root(request: Request) -> Response:
        if "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(404)
        return RedirectResponse(ROOT, 303, HEADERS)

    return [
        Route("/", root, include_in_schema=False),
        Route(ROOT + "/static/{name}", asset, include_in_schema=False),
        Route(ROOT + "{path:path}", page, include_in_schema=False),
    ]
