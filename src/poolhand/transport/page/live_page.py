"""A page that is kept up to date: a frame that tells nothing, and parts for whoever has a token.

The frame and its files are for everybody on this computer. Whatever is told needs the token, which
the browser has from the fragment of the address that was printed and sends in a header: no cookie
has it, for a browser would send that to every port of this machine (ADR 0098).
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from html import escape
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import HTMLResponse, StreamingResponse
from starlette.routing import Route

from poolhand.transport.page.assets import OWN_FILES_HEADERS, file_route
from poolhand.transport.page.live_feed import LiveFeed

ToldLive: TypeAlias = dict[str, Any]
WriteLive: TypeAlias = Callable[[ToldLive], ToldLive | None]
"""Makes of what is told what one watcher is sent; None: nothing."""

STATIC_FILES_PATH: Final = "/page/static/{name}"
LIVE_PATH: Final = "/page/live"
OPEN_PAGE_PATHS: Final = frozenset({"/", STATIC_FILES_PATH})
"""What needs no token: it tells nothing."""
SILENCE_OF_STREAM: Final = 15.0
"""Seconds of silence after which a comment is sent: who has gone is noticed then."""
_FRAME: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Poolhand {what}</title>
<link rel="icon" href="/page/static/poolhand.svg">
<link rel="stylesheet" href="/page/static/colours.css">
<link rel="stylesheet" href="/page/static/live.css">
<script src="/page/static/live.js" defer></script></head>
<body><a class="skip" href="#main">Skip to the content</a>
<header class="top">
<p class="brand"><img src="/page/static/poolhand.svg" alt="" width="24" height="24"> Poolhand
<span>{what}</span></p>
<div id="orders" role="group" aria-label="Orders" hidden>
{orders}
</div></header>
<main id="main" tabindex="-1"><p id="note" class="note" role="status"
 data-what="{what}" data-verb="{verb}" data-lost="{lost}">One moment…</p>
<div id="live">{sections}</div></main>
<footer><p>{footer}</p></footer>
</body></html>
"""


@dataclass(frozen=True, slots=True)
class PageOrder:
    """An order that a page gives by a button.

    Attributes:
        verb: Where it is sent, below ``/v1/``.
        name: Of the button.
        done: What is said once it was carried out.
        reason: Told with it; empty: nothing is.
    """

    verb: str
    name: str
    done: str
    reason: str = ""

    def button(self) -> str:
        """Write its button."""
        reason = f' data-reason="{escape(self.reason)}"' if self.reason else ""
        return (
            f'<button type="button" value="{self.verb}" data-done="{escape(self.done)}"{reason}>'
            f"{escape(self.name)}</button>"
        )


@dataclass(frozen=True, slots=True)
class LivePage:
    """What stands around the parts of a page.

    Attributes:
        what: It shows, in a word.
        verb: Prints its address: a command line.
        lost: Said where the address is of an earlier start, a sentence.
        parts: Ids of its parts, in their order.
        orders: That it gives.
        footer: HTML, sentences.
    """

    what: str
    verb: str
    lost: str
    parts: Collection[str]
    orders: tuple[PageOrder, ...]
    footer: str

    def frame(self) -> str:
        """Return the page without anything that it tells."""
        return _FRAME.format(
            what=self.what,
            verb=escape(self.verb),
            lost=escape(self.lost),
            orders="\n".join(each.button() for each in self.orders),
            sections="".join(f'<section id="{name}"></section>' for name in self.parts),
            footer=self.footer,
        )

    def routes(
        self,
        feed: LiveFeed,
        made: Callable[[ToldLive], dict[str, str]],
        title: Callable[[ToldLive], str],
    ) -> tuple[Route, ...]:
        """Return the endpoints of the page; all but ``OPEN_PAGE_PATHS`` go behind a token.

        Args:
            feed: Tells what changes.
            made: Makes its parts of what is told, by their ids.
            title: Makes its title of that.
        """
        frame = self.frame()

        async def front(_: Request) -> HTMLResponse:
            return HTMLResponse(frame, headers=OWN_FILES_HEADERS)

        async def live(_: Request) -> StreamingResponse:
            return stream(feed, _Changes(made, title).of)

        return Route("/", front), file_route(STATIC_FILES_PATH), Route(LIVE_PATH, live)


def stream(feed: LiveFeed, write: WriteLive) -> StreamingResponse:
    """Answer with what changes, as server-sent events, until whoever asked has gone.

    Raises:
        TooManyWatchers: No further one is told.
    """
    feed.check_room()
    headers = {**OWN_FILES_HEADERS, "X-Accel-Buffering": "no"}
    return StreamingResponse(_told(feed, write), headers=headers, media_type="text/event-stream")


async def _told(feed: LiveFeed, write: WriteLive) -> AsyncIterator[bytes]:
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


class _Changes:
    """The parts of the page that one browser has not been sent yet as they are."""

    def __init__(
        self, made: Callable[[ToldLive], dict[str, str]], title: Callable[[ToldLive], str]
    ) -> None:
        self._made, self._title = made, title
        self._sent: dict[str, str] = {}

    def of(self, told: ToldLive) -> ToldLive | None:
        """Return the parts that changed; None where none did."""
        made = self._made(told)
        changed = {name: html for name, html in made.items() if self._sent.get(name) != html}
        self._sent = made
        return {"title": self._title(told), "sections": changed} if changed else None


def _framed(told: ToldLive) -> bytes:
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return f"data: {text}\n\n".encode(errors="replace")
