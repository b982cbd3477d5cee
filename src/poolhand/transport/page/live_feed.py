"""Telling whoever watches what has changed: made once for all, and only while somebody watches."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

import structlog

from poolhand.domain.errors import Refused

PAUSE_BETWEEN_FEED_LOOKS: Final = 1.0
"""Seconds between two looks."""
MOST_WATCHERS: Final = 16

log = structlog.get_logger()


class TooManyWatchers(Refused):
    """So many watch that no further one is told what changes."""

    http_status = 503

    def __init__(self) -> None:
        super().__init__(f"{MOST_WATCHERS} watch this already: close some of its pages")


class LiveFeed:
    """Makes what is watched while anybody watches, once for all.

    Args:
        make: Makes it.
        rest: Waits so many seconds.
        every: Seconds between two looks.
    """

    def __init__(
        self,
        make: Callable[[], Awaitable[dict[str, Any]]],
        rest: Callable[[float], Awaitable[None]],
        every: float = PAUSE_BETWEEN_FEED_LOOKS,
    ) -> None:
        self._make, self._rest, self._every = make, rest, every
        self._watchers: set[LiveWatcher] = set()
        self._work: asyncio.Task[None] | None = None
        self._newest: dict[str, Any] | None = None

    def check_room(self) -> None:
        """Raise TooManyWatchers where no further one is told."""
        if len(self._watchers) >= MOST_WATCHERS:
            raise TooManyWatchers

    def join(self) -> LiveWatcher:
        """Watch from now on."""
        watcher = LiveWatcher()
        self._watchers.add(watcher)
        if self._newest is not None:
            watcher.put(self._newest)
        if self._work is None or self._work.done():
            self._work = asyncio.get_running_loop().create_task(self._keep())
        return watcher

    def leave(self, watcher: LiveWatcher) -> None:
        """Watch no longer; repeatable."""
        self._watchers.discard(watcher)
        if not self._watchers and self._work is not None:
            self._work.cancel()
            self._work, self._newest = None, None

    async def _keep(self) -> None:
        try:
            while self._watchers:
                told = await self._make()
                if told != self._newest:
                    self._newest = told
                    for watcher in self._watchers:
                        watcher.put(told)
                await self._rest(self._every)
        except Exception:  # whoever watches comes again; the program goes on
            log.exception("live_view_failed")
            for watcher in self._watchers:
                watcher.drop()


class LiveWatcher:
    """Somebody who watches: has room for the newest alone."""

    def __init__(self) -> None:
        self._told: dict[str, Any] | None = None
        self._there = asyncio.Event()
        self._is_dropped = False

    def put(self, told: dict[str, Any]) -> None:
        """Leave what there is now; it takes the place of what was not taken."""
        self._told = told
        self._there.set()

    def drop(self) -> None:
        """Send this one away."""
        self._is_dropped = True
        self._there.set()

    async def next(self) -> dict[str, Any] | None:
        """Wait for something new; None: there will be nothing."""
        await self._there.wait()
        self._there.clear()
        return None if self._is_dropped else self._told
