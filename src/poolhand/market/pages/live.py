"""Pages that are open hear of each block, and of what is published: made once, sent if changed.

However many distinct pages are open, making them takes a bounded share of a processor: after each
one a rest is made in proportion. A reader that does not take what it is sent finds only the newest
when it does, and is dropped when it has missed too much.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

import structlog

from poolhand.domain.errors import Refused
from poolhand.market.pages.own_api import ApiOutage

PageKey: TypeAlias = tuple[str, tuple[tuple[str, str], ...]]
"""A page: its path, and its query in order."""
MakePart: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[str]]
"""Makes what changes of a page, by its path and query."""
Rest: TypeAlias = Callable[[float], Awaitable[None]]
MOST_STREAMS: Final = 1_000
"""Distinct pages that are kept up to date."""
MOST_READERS: Final = 4_000
MOST_PAGES_OF_CLIENT: Final = 64
"""Pages that one client has open: nobody alone takes the places of all others."""
MOST_MISSED: Final = 30
"""Messages that a reader may leave lying before it is dropped."""
REST_PER_PAGE: Final = 1.5
"""How long is rested after a page was made, as a multiple of how long that took."""
PAUSE_BETWEEN_PAGE_ROUNDS: Final = 0.25
"""Seconds of rest after a round of pages that something published has begun: all that is published
meanwhile waits for the next round."""
log = structlog.get_logger()


class TooManyReaders(Refused):
    """So many pages are open that no further one is kept up to date; it can still be read."""

    http_status = 503


class LiveReader:
    """Somebody who has a page open: room for one message of each kind, the newest.

    Attributes:
        client: For whom it counts; empty: for nobody.
    """

    def __init__(self, client: str = "") -> None:
        self.client = client
        self._waiting: dict[str, bytes] = {}
        self._there = asyncio.Event()
        self.missed, self.is_dropped = 0, False

    def put(self, kind: str, message: bytes) -> None:
        """Leave a message; it takes the place of one of its kind that was not taken."""
        self.missed += kind in self._waiting
        self._waiting[kind] = message
        self.is_dropped = self.is_dropped or self.missed > MOST_MISSED
        self._there.set()

    def drop(self) -> None:
        """Send this reader away; its browser comes again."""
        self.is_dropped = True
        self._there.set()

    async def next(self) -> bytes | None:
        """Wait for messages and take them; None: the reader is dropped."""
        await self._there.wait()
        self._there.clear()
        if self.is_dropped:
            return None
        found, self._waiting, self.missed = self._waiting, {}, 0
        return b"".join(found.values())


class _LiveStream:
    """One distinct page, who looks at it, and what was sent last."""

    def __init__(self) -> None:
        self.readers: set[LiveReader] = set()
        self.text: str | None = None
        self.is_due = True


class LivePages:
    """Keeps open pages up to date.

    Args:
        make: Makes what changes of a page.
        pulse: Makes what every page shows of the newest block.
        rest: Waits so many seconds.
    """

    def __init__(self, make: MakePart, pulse: Callable[[], str], rest: Rest) -> None:
        self._make, self._pulse, self._rest = make, pulse, rest
        self._streams: dict[PageKey, _LiveStream] = {}
        self._count, self._of_client = 0, Counter[str]()
        self._due, self._is_stale = asyncio.Event(), False
        self._work: asyncio.Task[None] | None = None

    @property
    def open_pages(self) -> int:
        """How many pages are open."""
        return self._count

    def moved(self) -> None:
        """Hear that the book is that of another block: every open page is made anew, in turn."""
        if not self._count:
            return
        message = framed(self._pulse())
        for stream in self._streams.values():
            stream.is_due = True
            for reader in stream.readers:
                reader.put("pulse", message)
        self._due.set()

    def changed(self) -> None:
        """Hear that orders were published or taken out: every open page is made anew, in turn.

        That costs nothing here, however often it happens and whoever looks: one round has it all.
        """
        self._is_stale = True
        self._due.set()

    def join(self, key: PageKey, client: str = "") -> LiveReader:
        """Look at a page from now on.

        Args:
            key: The page.
            client: For whom it counts; empty: for nobody.

        Raises:
            TooManyReaders: Too many look already, or this client at too much.
        """
        if client and self._of_client[client] >= MOST_PAGES_OF_CLIENT:
            raise TooManyReaders(
                f"{MOST_PAGES_OF_CLIENT} pages are open at your address: this one can be read and "
                "loaded again; close others"
            )
        is_new = key not in self._streams
        if self._count >= MOST_READERS or (is_new and len(self._streams) >= MOST_STREAMS):
            raise TooManyReaders("too many pages are open: this one can be read and loaded again")
        stream = self._streams.setdefault(key, _LiveStream())
        reader = LiveReader(client)
        stream.readers.add(reader)
        self._count += 1
        self._of_client[client] += 1
        if stream.text is not None:
            reader.put("part", framed(stream.text))
        self._begin()
        return reader

    def leave(self, key: PageKey, reader: LiveReader) -> None:
        """Look no longer; repeatable."""
        stream = self._streams.get(key)
        if stream is None or reader not in stream.readers:
            return
        stream.readers.discard(reader)
        self._count -= 1
        self._of_client[reader.client] -= 1
        if not self._of_client[reader.client]:
            del self._of_client[reader.client]
        if not stream.readers:
            del self._streams[key]

    def _begin(self) -> None:
        self._due.set()
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._keep())
            self._work.add_done_callback(self._ended)

    def _ended(self, work: asyncio.Task[None]) -> None:
        fault = None if work.cancelled() else work.exception()
        if fault is not None:
            log.error("live_pages_crashed", exc_info=fault)
        for stream in self._streams.values():
            for reader in stream.readers:
                reader.drop()

    async def _keep(self) -> None:
        """Make what is due, while anybody looks."""
        while self._count:
            await self._due.wait()
            self._due.clear()
            is_stale = self._take_stale()
            for key, stream in list(self._streams.items()):
                if stream.is_due and stream.readers:
                    stream.is_due = False
                    began = time.perf_counter()
                    await self._make_one(key, stream)
                    await self._rest(REST_PER_PAGE * (time.perf_counter() - began))
            if is_stale:
                await self._rest(PAUSE_BETWEEN_PAGE_ROUNDS)

    def _take_stale(self) -> bool:
        """Have every page made anew if orders have changed since this was asked last."""
        is_stale, self._is_stale = self._is_stale, False
        if is_stale:
            for stream in self._streams.values():
                stream.is_due = True
        return is_stale

    async def _make_one(self, key: PageKey, stream: _LiveStream) -> None:
        path, query = key
        try:
            text = await self._make(path, dict(query))
        except ApiOutage:
            return  # the page stays as it is until the next block
        if text == stream.text:
            return
        stream.text = text
        message = framed(text)
        for reader in stream.readers:
            reader.put("part", message)


def framed(text: str) -> bytes:
    """Return a message of server-sent events."""
    lines = "".join(f"data: {line}\n" for line in text.split("\n"))
    return f"{lines}\n".encode()
