"""Debian's Chromium, headless, and a market of its own to look at."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import httpx
from market_world import CHAIN_ID, FACTS, HUB, PoolsLine, ready_chain, settings_of

from poolhand.market.assembly import MarketWorld, assemble, serve_market
from poolhand.market.pool_register import PoolRegister
from poolhand.store.market.database import MarketDatabase
from poolhand.transport.asgi import bind, port_of
from poolhand.transport.clock import SeededEntropy


class ServedMarket:
    """A market on a port of its own, in a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self.chain, self.clock = ready_chain(), [1_700_000_000_000]
        self._folder, self._up = folder, threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self._thread.start()
        assert self._up.wait(60)

    async def _serve(self) -> None:
        self.loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        database = MarketDatabase(f"sqlite:///{self._folder / 'market.db'}")
        database.claim(CHAIN_ID, HUB)
        entropy, chain = SeededEntropy(7), self.chain
        now, passed = (lambda: self.clock[0]), (lambda: self.clock[0] / 1000)
        world = MarketWorld(chain, FACTS, chain, now, passed, entropy)
        self.pools = PoolsLine()
        outside = httpx.AsyncClient(transport=self.pools)
        self.register = PoolRegister(chain, FACTS, database, outside, world.now)
        self.app, self.follower = assemble(world, database, settings_of(), self.register)
        self.database = database
        await self.follower.open()
        await self.follower.advance()
        listener = bind("127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{port_of(listener)}"
        serving = asyncio.ensure_future(serve_market(self.app, listener, lambda _: self._up.set()))
        await self._over.wait()
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        database.close()

    def do(self, work):
        """Run a coroutine where the market runs, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def stop(self) -> None:
        """End it."""
        self.loop.call_soon_threadsafe(self._over.set)
        self._thread.join()
