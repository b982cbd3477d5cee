"""How long a pool is away when its process is killed and another one stands by.

Two processes of one pool, as on two machines (each with locks of its own), over one PostgreSQL
server; the leader is killed without warning at a random moment of its beat. What is measured ends
when the other lets workers and requesters in: its database read, the chain caught up with.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from contextlib import suppress
from pathlib import Path
from statistics import median

import httpx
from tests.postgres_server import PostgresServer

from bench.frame import Job, Keys
from bench.lone_pool import LonePool, lone_pool, pool_settings
from poolhand.devnet.children import Child
from poolhand.devnet.ports import free_port

ROUNDS = 5
LONGEST = 60.0
"""Seconds after which nobody ever takes over."""
PACE = 0.02
"""Seconds between two looks; what is measured is no more exact."""


async def keys(job: Job) -> Keys:
    server = await asyncio.to_thread(PostgresServer)
    try:
        database = {"POOLHAND_DATABASE": server.database()}
        async with lone_pool(job.home, 1, database) as pool, httpx.AsyncClient() as http:
            found = await _rounds(job, Rivals(pool, job.home, database), http)
    finally:
        await asyncio.to_thread(server.stop)
    return {"failover_s": round(median(found), 2), "failover_most_s": round(max(found), 2)}


class Rivals:
    """The processes of one pool; the oldest of them leads."""

    def __init__(self, pool: LonePool, home: Path, database: dict[str, str]) -> None:
        self._pool, self._home, self._database = pool, home, database
        self.running = [pool.child]

    async def start(self) -> str:
        """Start one more; returns its URL, at which it stands by."""
        pool, url = self._pool, f"http://127.0.0.1:{free_port(0)}"
        number = len(list((self._home / "logs").iterdir()))
        own = {"POOLHAND_LOCKS": str(self._home / f"locks-{number}"), **self._database}
        settings = pool_settings(self._home, pool.node, pool.deployed, pool.funded, url) | own
        serve = ("pool", "serve", "--json")
        self.running.append(Child(f"pool-{number}", serve, settings, self._home / "logs"))
        await self.running[-1].start()
        return url

    async def kill(self) -> None:
        """End the leader without warning."""
        await self.running.pop(0).end(signal.SIGKILL)

    async def stop(self) -> None:
        for child in self.running:
            await child.stop()


async def _rounds(job: Job, rivals: Rivals, http: httpx.AsyncClient) -> list[float]:
    """Kill the leader once per round; who took over leads the next one."""
    found = []
    try:
        for _ in range(job.scaled(ROUNDS)):
            url = await rivals.start()
            await _until(http, f"{url}/health", 200)
            await asyncio.sleep(random.random())
            began = time.monotonic()
            await rivals.kill()
            await _until(http, f"{url}/ready", 200)
            found.append(time.monotonic() - began)
            job.say(f"the standby took over after {found[-1]:.1f} s")
    finally:
        await rivals.stop()
    return found


async def _until(http: httpx.AsyncClient, url: str, status: int) -> None:
    async with asyncio.timeout(LONGEST):
        while True:
            with suppress(httpx.HTTPError):
                if (await http.get(url)).status_code == status:
                    return
            await asyncio.sleep(PACE)
