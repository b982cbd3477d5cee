"""A pool as ``poolhand pool serve`` begins it, over a chain in memory."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from pool_world import PoolWorld

from memory_node import MemoryLink, linked
from poolhand.keys.keystore import import_wallet
from poolhand.scheduler.main import run
from poolhand.transport.clock import SystemClock

PASSWORD = "sesame"


class Started:
    """Owns the wallet with this key; the pool's owner has 2."""

    def __init__(self, folder, key=2, **changes):
        self.world = PoolWorld(folder)
        self.world.clock = SystemClock()
        stored = import_wallet(folder / "keys", bytes([key] * 32).hex(), PASSWORD, cost=2)
        self.settings = replace(
            self.world.pool.settings,
            wallet=stored.path,
            password=PASSWORD,
            port=0,
            database=f"sqlite:///{folder}/pool.db",
            locks=folder / "locks",
            **changes,
        )
        self.urls = []
        self.node = None

    @asynccontextmanager
    async def join(self, _settings, _wait):
        if self.node is None:
            yield self.world.chain
            return
        async with linked(MemoryLink(self.node)) as chain:
            yield chain

    @asynccontextmanager
    async def serving(self):
        """Run once the pool says that it is ready, until the block ends."""
        ready = asyncio.Event()

        def told(url):
            self.urls.append(url)
            ready.set()

        serving = asyncio.ensure_future(run(self.settings, told, self.join))
        waiting = asyncio.ensure_future(ready.wait())
        await asyncio.wait((serving, waiting), return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if serving.done():
                serving.result()
            yield
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await serving

    async def serve(self):
        """Run until the pool says that it is ready."""
        async with self.serving():
            pass
