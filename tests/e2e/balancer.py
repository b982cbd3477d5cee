"""A plain TCP balancer, as operators put before a pool: it asks ``/ready``, and passes bytes on."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from urllib.parse import urlsplit

import httpx

PATIENCE = 3.0
"""Seconds for a process to say that it is ready."""


class Balancer:
    """Listens where the pool is known to be, in a thread of its own, until it is stopped."""

    def __init__(self, url: str, pools: list[str]) -> None:
        self._port, self._pools = urlsplit(url).port, pools
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(self._listen())

    def _do(self, work):
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    async def _listen(self):
        return await asyncio.start_server(self._accept, "127.0.0.1", self._port)

    async def _leader(self) -> str | None:
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            for url in self._pools:
                with suppress(httpx.HTTPError):
                    if (await http.get(f"{url}/ready")).status_code == 200:
                        return url
        return None

    async def _accept(self, reader, writer) -> None:
        """Carry one connection to whoever leads; it ends when either side does."""
        sides = [(reader, writer)]
        try:
            with suppress(OSError, asyncio.CancelledError):
                if url := await self._leader():
                    place = urlsplit(url)
                    sides.append(await asyncio.open_connection(place.hostname, place.port))
                    (here, back), (there, on) = sides
                    pumps = [asyncio.ensure_future(_pump(here, on)),
                             asyncio.ensure_future(_pump(there, back))]  # fmt: skip
                    try:
                        await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                    finally:
                        for pump in pumps:
                            pump.cancel()
                        await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for _, each in sides:
                each.close()

    def stop(self) -> None:
        """Stop listening and hang up on everybody."""

        async def close():
            self._server.close()
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await asyncio.sleep(0)  # what was closed is let go of in the next turn

        self._do(close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _pump(reader, writer) -> None:
    with suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
