"""The way to an open page: server-sent events until somebody goes."""

from __future__ import annotations

import asyncio

from starlette.types import Receive, Scope, Send

from poolhand.market.pages.live import LivePages, LiveReader, PageKey

KIND = b"text/event-stream"
FIRST = b"retry: 3000\n: the page is kept up to date\n\n"


class LiveAnswer:
    """Tells a reader of a page until it goes, or is dropped."""

    def __init__(self, pages: LivePages, key: PageKey, reader: LiveReader) -> None:
        self._pages, self._key, self._reader = pages, key, reader

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one reader."""
        del scope
        try:
            headers = [
                (b"content-type", KIND),
                (b"cache-control", b"no-store"),
                (b"x-accel-buffering", b"no"),
            ]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": FIRST, "more_body": True})
            work = {asyncio.ensure_future(each) for each in (self._tell(send), _gone(receive))}
            try:
                await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in work:
                    each.cancel()
                await asyncio.gather(*work, return_exceptions=True)
        finally:
            self._pages.leave(self._key, self._reader)

    async def _tell(self, send: Send) -> None:
        while (message := await self._reader.next()) is not None:
            await send({"type": "http.response.body", "body": message, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
