"""The worker's page over HTTP: a frame that tells nothing, and what fills it, for the operator.

The frame and its files are for everybody on this computer. Whatever is told of the worker needs the
token, which the browser has from the fragment of the address that ``poolhand worker page`` prints
and sends in a header: no cookie has it, for a browser would send that to every port of this machine
(ADR 0098).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from functools import cache
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.routing import BaseRoute, Route

from poolhand.transport.described import DescribedRoute
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.transport.page.assets import assets_of
from poolhand.worker.live import LiveTeller
from poolhand.worker.live_feed import LiveFeed
from poolhand.worker.page.sections import PAGE_SECTIONS, sections, title

Write: TypeAlias = Callable[[dict[str, Any]], dict[str, Any] | None]
"""Makes of what is told what one watcher is sent; None: nothing."""
STATIC: Final = "/page/static/{name}"
WORKER_PAGE_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Nothing is loaded but our own files, nothing that stands in the page is run, nobody frames it."""
SILENCE_OF_STREAM: Final = 15.0
"""Seconds of silence after which a comment is sent: who has gone is noticed then."""
_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Poolhand worker</title>
<link rel="icon" href="/page/static/poolhand.svg">
<link rel="stylesheet" href="/page/static/colours.css">
<link rel="stylesheet" href="/page/static/worker.css">
<script src="/page/static/worker.js" defer></script></head>
<body><a class="skip" href="#main">Skip to the content</a>
<header class="top">
<p class="brand"><img src="/page/static/poolhand.svg" alt="" width="24" height="24"> Poolhand
<span>worker</span></p>
<div id="orders" role="group" aria-label="Orders" hidden>
<button type="button" value="pause" data-done="Paused: nothing new is taken; what is held goes on.">
Pause</button>
<button type="button" value="resume" data-done="The worker takes tasks again.">Resume</button>
<button type="button" value="drain" data-done="It finishes what it holds, then it stops. Resume \
takes that back.">Finish, then stop</button>
</div></header>
<main id="main" tabindex="-1"><p id="note" class="note" role="status">One moment…</p>
<div id="live">{sections}</div></main>
<footer><p><a href="/doctor">Is all there that it needs?</a> For programs:
<a href="/docs">its API</a>, <a href="/metrics">metrics</a> (Prometheus).
Times are UTC.</p></footer>
</body></html>
"""


@cache
def frame() -> str:
    """Return the page without anything of the worker's."""
    places = "".join(f'<section id="{name}"></section>' for name in PAGE_SECTIONS)
    return _FRAME.replace("{sections}", places)


def page_routes(teller: LiveTeller, feed: LiveFeed) -> tuple[BaseRoute, ...]:
    """Return the endpoints of the page and of what is watched; none changes anything.

    Args:
        teller: Tells what there is now.
        feed: Tells what changes.
    """

    async def front(_: Request) -> HTMLResponse:
        return HTMLResponse(frame(), headers=WORKER_PAGE_HEADERS)

    async def asset(request: Request) -> Response:
        found = assets_of("poolhand.worker.page").get(request.path_params["name"])
        if found is None:
            return Response("there is no such file", 404, WORKER_PAGE_HEADERS, "text/plain")
        return Response(found.body, 200, WORKER_PAGE_HEADERS, found.kind)

    async def live(_: Request) -> JsonAnswer:
        """Tell the worker's status, earnings, locked stake and what its apps print."""
        return JsonAnswer(await teller.show())

    async def events(_: Request) -> StreamingResponse:
        """Tell what ``/v1/live`` tells, again whenever it changes, as server-sent events."""
        return _stream(feed, _whole)

    async def page(_: Request) -> StreamingResponse:
        return _stream(feed, _Changes().of)

    answers = {"response_model": dict[str, Any], "responses": ENDPOINT_FAULT_ANSWERS}
    return (
        Route("/", front),
        Route(STATIC, asset),
        Route("/page/live", page),
        DescribedRoute("/v1/live", live, "GET", lambda: answers),
        DescribedRoute(
            "/v1/live/events", events, "GET", lambda: {"responses": ENDPOINT_FAULT_ANSWERS}
        ),
    )


def _stream(feed: LiveFeed, write: Write) -> StreamingResponse:
    feed.check_room()
    headers = {**WORKER_PAGE_HEADERS, "X-Accel-Buffering": "no"}
    told = _told(feed, write)
    return StreamingResponse(told, headers=headers, media_type="text/event-stream")


async def _told(feed: LiveFeed, write: Write) -> AsyncIterator[bytes]:
    watcher = feed.join()
    try:
        yield b": what changes follows\n\n"
        while True:
            try:
                async with asyncio.timeout(SILENCE_OF_STREAM):
                    found = await watcher.next()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if found is None:
                return
            message = write(found)
            if message is not None:
                yield _framed(message)
    finally:
        feed.leave(watcher)


def _whole(told: dict[str, Any]) -> dict[str, Any]:
    return told


class _Changes:
    """The parts of the page that one browser has not been sent yet as they are."""

    def __init__(self) -> None:
        self._sent: dict[str, str] = {}

    def of(self, told: dict[str, Any]) -> dict[str, Any] | None:
        """Return the parts that changed; None where none did."""
        made = sections(told)
        changed = {name: html for name, html in made.items() if self._sent.get(name) != html}
        self._sent = made
        return {"title": title(told), "sections": changed} if changed else None


def _framed(told: dict[str, Any]) -> bytes:
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode(errors="replace")
