"""Downloads in a process of their own, which has the network and nothing else of this worker.

Through it go apps that may reach hosts, too, for it is as much a stranger to what they say.
Whatever becomes of that process ends downloads and connections, never the worker: it is started
anew for the next one, and downloads are tried again while that is worth it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, Self

import structlog

from poolhand.domain.units import Seconds
from poolhand.ports.tunnels import TunnelReport
from poolhand.transport.addresses import Resolver, resolve
from poolhand.transport.again import Sleep
from poolhand.transport.downloading import FetchRules
from poolhand.transport.errors import FetcherLost
from poolhand.transport.passing import UNKNOWN_HOST_TRIES, PassingFault, patiently
from poolhand.transport.running_fetcher import MOST_SILENCES, FetcherGone, RunningFetcher
from poolhand.wire.fetcher_api import BeginFetching

PROGRAM: Final = (sys.executable, "-P", "-m", "poolhand.cli.fetcher_program")
DOWNLOADS_AT_ONCE: Final = 32
"""Downloads; more wait, which counts as their time."""
PAUSE_BETWEEN_PROCESS_LOOKS: Final = 10.0
"""Seconds between two looks at whether a process that downloads is alive."""

log = structlog.get_logger()


class FetcherProcess:
    """Implements ``Downloads`` and ``Tunnels`` over a process of its own, while one can be had.

    Args:
        rules: What is allowed.
        most: Bytes of the largest file.
        resolver: Looks names up, in this process.
        pause: Lets seconds pass between tries.
        silence: Seconds between two looks at whether it is alive.
        silences: Looks without a word, after which it hangs and is ended.
        program: What is started.
        rate: Tells how many bytes per second may come in all; 0: any. Asked with each download and
            each look at the process.
    """

    def __init__(
        self,
        rules: FetchRules,
        most: int,
        resolver: Resolver = resolve,
        pause: Sleep = asyncio.sleep,
        silence: float = PAUSE_BETWEEN_PROCESS_LOOKS,
        silences: int = MOST_SILENCES,
        program: tuple[str, ...] = PROGRAM,
        rate: Callable[[], int] = lambda: 0,
    ) -> None:
        places = rules.places
        told = places.allow_http, places.allow_private, tuple(sorted(places.hosts))
        self._begin = BeginFetching(*told, rules.ipfs_gateways, most)
        self._resolver, self._pause = resolver, pause
        self._silence, self._silences = silence, silences
        self._program, self._rate = program, rate
        self._room = asyncio.Semaphore(DOWNLOADS_AT_ONCE)
        self._starting = asyncio.Lock()
        self._running: RunningFetcher | None = None

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[Self]:
        """Start the process, beside what comes next; it ends when this is left."""
        starting = asyncio.create_task(self._try_to_start())
        try:
            yield self
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            if self._running is not None:
                await self._running.close()

    async def _try_to_start(self) -> None:
        try:
            await self._process()
        except FetcherGone as fault:
            log.warning("fetcher_not_started", cause=str(fault), next_step="tried at each download")

    @property
    def pid(self) -> int | None:
        """The process; None where there is none."""
        running = self._running
        return None if running is None or running.is_gone else running.pid

    async def download(self, uri: str, descriptor: int, limit: int, timeout: Seconds) -> None:
        """Have what a URI names written into an open file, see ``Downloads.download``.

        Raises:
            FetcherLost: The process has ended each time.
        """

        async def once() -> None:
            try:
                running = await self._process()
                await running.download(uri, descriptor, limit, timeout)
            except FetcherGone as fault:
                raise PassingFault(
                    str(fault), tries=UNKNOWN_HOST_TRIES, kind=FetcherLost
                ) from fault

        async with self._room:
            await patiently(uri, once, timeout, self._pause)

    async def let_through(
        self, descriptor: int, app: int, hosts: tuple[str, ...], left: int
    ) -> TunnelReport:
        """Serve a connection of an app's to its end, see ``Tunnels.let_through``."""
        try:
            running = await self._process()
            told = await running.let_through(descriptor, app, hosts, left)
        except FetcherGone as fault:
            return TunnelReport(why=str(fault))
        return TunnelReport(told.host, told.address, told.up, told.down, told.why)

    async def _process(self) -> RunningFetcher:
        """Return the process, started where there is none.

        Raises:
            FetcherGone: It cannot be started.
        """
        async with self._starting:
            if self._running is None or self._running.is_gone:
                self._running = await RunningFetcher.start(
                    self._program,
                    self._begin,
                    self._resolver,
                    self._silence,
                    self._silences,
                    self._rate,
                )
            return self._running
