"""Pages over HTTP: found, made, written, and told what a browser may load for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import Scope

from poolhand.market.pages import words
from poolhand.market.pages.assets import page_assets
from poolhand.market.pages.frame import Frame
from poolhand.market.pages.live import LivePages
from poolhand.market.pages.own_api import ApiOutage, ApiRefusal, OwnApi
from poolhand.market.pages.shown import Shown, Visit
from poolhand.market.pages.streaming import live_answer
from poolhand.market.pages.table import ROOT, find_page

MARKET_PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""What a browser may load for a page: our own files, and no script that stands in a page."""
MARKET_PAGE_HEADERS: Final = {
    "Content-Security-Policy": MARKET_PAGE_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LIVE: Final = ROOT + "/live"
"""Before the path of a page: what changes of it while it is open."""
_FOR_GOOD: Final = "public, max-age=31536000, immutable"
MOST_QUERY: Final = 2_000
"""Characters of a page's query."""


AsksFor: TypeAlias = Callable[[Scope], str]


class PageMaker:
    """Makes pages of the market's own API.

    Args:
        api: To be asked.
        frame: Writes them.
    """

    def __init__(self, api: OwnApi, frame: Frame) -> None:
        self._api, self._frame = api, frame

    async def whole(self, path: str, query: Mapping[str, str]) -> Response:
        """Return a page, or where to go instead; what cannot be shown has a page, too."""
        try:
            visit, page = await self._made(path, query)
        except ApiOutage as fault:
            visit, page = Visit(self._api, ROOT + path, {}, query), _missing(str(fault), 503)
        if page.leads_to:
            return RedirectResponse(ROOT + page.leads_to, 303, MARKET_PAGE_HEADERS)
        return HTMLResponse(
            self._frame.whole(page, _place(visit, is_live=page.status == 200)),
            page.status,
            MARKET_PAGE_HEADERS,
        )

    async def part(self, path: str, query: Mapping[str, str]) -> str:
        """Return what of a page changes while it is open.

        Raises:
            ApiOutage: Chain or database do not answer: what is shown may stay.
        """
        visit, page = await self._made(path, query)
        return self._frame.part(page, _place(visit, is_live=True))

    async def _made(self, path: str, query: Mapping[str, str]) -> tuple[Visit, Shown]:
        found = find_page(path)
        visit = Visit(self._api, ROOT + path, found.named if found else {}, query)
        if found is None:
            return visit, _missing("there is no such page")
        try:
            return visit, await found.view(visit)
        except ApiRefusal as fault:
            return visit, _missing(str(fault), fault.status)


def _missing(words: str, status: int = 404) -> Shown:
    title = {404: "Not found", 503: "Not now"}.get(status, "That cannot be read")
    return Shown("missing.html", title, {"words": words, "status": status}, status)


def _place(visit: Visit, *, is_live: bool) -> dict[str, Any]:
    live = words.place(LIVE + visit.path.removeprefix(ROOT), **visit.query) if is_live else ""
    told = {"path": visit.path, "query": dict(visit.query), "sources": visit.sources}
    return {**told, "live": live}


def page_routes(maker: PageMaker, live: LivePages, who: AsksFor) -> list[BaseRoute]:
    """Return the routes of pages, of what keeps them up to date, and of the files they load.

    Args:
        maker: Of pages.
        live: Those that are open.
        who: Tells for whom an open page counts; nothing: for nobody.
    """
    serves = PageRoutes(maker, live, who)
    handlers = (
        ("/", serves.root),
        (ROOT + "/static/{name}", serves.asset),
        (LIVE + "{path:path}", serves.stream),
        (ROOT + "{path:path}", serves.page),
    )
    return [Route(path, handler, include_in_schema=False) for path, handler in handlers]


class PageRoutes:
    """The handlers."""

    def __init__(self, maker: PageMaker, live: LivePages, who: AsksFor) -> None:
        self._maker, self._live, self._who = maker, live, who

    async def root(self, request: Request) -> Response:
        """Lead a browser to the pages; a program is told where these and the API are."""
        if "text/html" not in request.headers.get("accept", ""):
            raise HTTPException(404, f"pages for people are at {ROOT}, the API is told at /docs")
        return RedirectResponse(ROOT, 303, MARKET_PAGE_HEADERS)

    async def page(self, request: Request) -> Response:
        """Show a page."""
        if len(request.url.query) > MOST_QUERY:
            return RedirectResponse(request.url.path, 303, MARKET_PAGE_HEADERS)
        return await self._maker.whole(request.path_params["path"], dict(request.query_params))

    async def stream(self, request: Request) -> Any:
        """Tell an open page what changes."""
        path = request.path_params["path"]
        if len(request.url.query) > MOST_QUERY or find_page(path) is None:
            raise HTTPException(404)
        key = path, tuple(sorted(request.query_params.items()))
        return live_answer(self._live, key, self._live.join(key, self._who(request.scope)))

    async def asset(self, request: Request) -> Response:
        """Give a file that pages load."""
        found = page_assets().get(request.path_params["name"])
        if found is None:
            return Response("there is no such file", 404, MARKET_PAGE_HEADERS, "text/plain")
        headers = {**MARKET_PAGE_HEADERS, "Cache-Control": _FOR_GOOD}
        return Response(found.body, 200, headers, found.kind)
