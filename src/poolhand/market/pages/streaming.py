"""The way to an open page: server-sent events until somebody goes."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Final

from starlette.types import ASGIApp, Receive, Scope, Send

from poolhand.market.pages.live import LivePages, LiveReader, PageKey

STREAM_HEADERS: Final = [
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]
FIRST_WORDS: Final = b"retry: 3000\n: the page is kept up to date\n\n"


def live_answer(pages: LivePages, key: PageKey, reader: LiveReader) -> ASGIApp:
    """Return what tells a reader of a page until it goes, or is dropped."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        del scope
        try:
            await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
            await send({"type": "http.response.body", "body": FIRST_WORDS, "more_body": True})
            await _first(_tell(reader, send), _gone(receive))
        finally:
            pages.leave(key, reader)

    return serve


async def _first(*work: Coroutine[Any, Any, None]) -> None:
    """Run until one of several ends, and end the others."""
    running = [asyncio.ensure_future(each) for each in work]
    try:
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _tell(reader: LiveReader, send: Send) -> None:
    while (message := await reader.next()) is not None:
        await send({"type": "http.response.body", "body": message, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
