"""A pool as its owner runs it, on Anvil with the real contracts, and crowds of light workers.

No container engine and no registry: what is measured here computes nothing.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench.crowd import Crowd
from poolhand.devnet.accounts import DEPLOYER, POOL_ACCOUNT, Funded, Funding, derive, fund
from poolhand.devnet.artifacts import DEFAULT_CACHE, ensure
from poolhand.devnet.children import Child
from poolhand.devnet.contracts import DeployedContracts, deploy
from poolhand.devnet.node import Anvil
from poolhand.devnet.ports import free_port
from poolhand.domain.units import NANO_PER_RLC, NanoRlc

NOWHERE = "http://127.0.0.1:9"
"""Where no results service is: none is needed before a result."""


RICH = Funding(stake=NanoRlc(10**6 * NANO_PER_RLC))
"""Pool and requester can pay for every bag."""


@dataclass
class LonePool:
    """The pool's program, and what clients need."""

    home: Path
    node: Anvil
    deployed: DeployedContracts
    funded: Funded
    child: Child
    url: str

    def process(self) -> psutil.Process:
        return psutil.Process(self.child.pid)

    def cpu_seconds(self) -> float:
        times = self.process().cpu_times()
        return float(times.user + times.system)

    def rss_mb(self) -> float:
        return float(self.process().memory_info().rss / 2**20)


@asynccontextmanager
async def lone_pool(
    home: Path, block_time: int = 5, environment: Mapping[str, str] | None = None,
    program: tuple[str, ...] | None = None,
) -> AsyncIterator[LonePool]:  # fmt: skip
    """Run Anvil and a pool below a folder."""
    found = await asyncio.to_thread(ensure, DEFAULT_CACHE)
    async with Anvil(found.anvil, home / "chain", save_seconds=None) as node:
        deployed = await deploy(node.url, found, derive(DEPLOYER))
        funded = await fund(node.url, found, deployed, home, workers=0, funding=RICH)
        await node.pace(block_time)
        url = f"http://127.0.0.1:{free_port(0)}"
        settings = pool_settings(home, node, deployed, funded, url) | dict(environment or {})
        more = {} if program is None else {"program": program}
        child = Child("pool", ("pool", "serve", "--json"), settings, home / "logs", **more)
        await child.start()
        try:
            await child.ready()
            yield LonePool(home, node, deployed, funded, child, url)
        finally:
            await child.stop()


def pool_settings(
    home: Path, node: Anvil, deployed: DeployedContracts, funded: Funded, url: str
) -> dict[str, str]:
    account = funded.accounts[POOL_ACCOUNT]
    return {
        "POOL_ADDRESS": str(funded.workerpool),
        "POOLHAND_HUB": str(deployed.hub),
        "POOLHAND_CHAIN": "",
        "POOLHAND_CHAIN_ID": str(deployed.chain_id),
        "POOLHAND_LOCKS": str(home / "locks"),
        "IEXEC_BLOCKCHAIN_NODE_ADDRESS": node.ws_url,
        "IEXEC_CORE_WALLET_PATH": account.keystore,
        "IEXEC_CORE_WALLET_PASSWORD": "",
        "POOLHAND_WALLET_PASSWORD_FILE": account.password_file,
        "IEXEC_CORE_PORT": url.rpartition(":")[2],
        "IEXEC_RESULT_REPOSITORY_URL": NOWHERE,
        "POOLHAND_DATABASE": f"sqlite:///{home / 'pool.db'}",
        "POOLHAND_PREFLIGHT": "false",
    }


@dataclass
class Crowds:
    """Processes of light workers; ``told`` is what each said last."""

    told: list[dict[str, Any]] = field(default_factory=list)

    def total(self, name: str) -> float:
        return sum(each.get(name, 0) for each in self.told)

    async def until(self, name: str, count: float, seconds: float) -> None:
        """Wait until a number is reached, but no longer than so many seconds."""
        end = time.monotonic() + seconds
        while self.total(name) < count and time.monotonic() < end:  # noqa: ASYNC110 - told by others
            await asyncio.sleep(0.1)


@asynccontextmanager
async def crowds(
    pool: LonePool, workers: int, processes: int = 1, slots: int = 1, program: str = "bench.crowd",
    address: str = "",
) -> AsyncIterator[Crowds]:  # fmt: skip
    """Let so many workers connect, and stay as long as the context lasts.

    ``address`` is the one from which all of them come; empty: each has its own.
    """
    share = -(-workers // processes)
    found = Crowds([{} for _ in range(processes)])
    made: list[Process] = []
    reading: list[asyncio.Task[None]] = []
    try:
        for number in range(processes):
            first = number * share
            crowd = Crowd(
                pool.url, pool.deployed.chain_id, str(pool.deployed.hub),
                str(pool.funded.workerpool), first, min(share, workers - first),
                slots=slots, node=pool.node.url, address=address,
            )  # fmt: skip
            made.append(await _crowd(program, crowd))
            reading.append(asyncio.create_task(_read(made[-1], found, number)))
        yield found
    finally:
        for process in made:
            if process.returncode is None:
                process.kill()
            await process.wait()
        await asyncio.gather(*reading)


async def _crowd(program: str, crowd: Crowd) -> Process:
    words = (sys.executable, "-m", program)
    process = await asyncio.create_subprocess_exec(
        *words, stdin=PIPE, stdout=PIPE, env=dict(os.environ), cwd=Path(__file__).parent.parent
    )
    assert process.stdin is not None
    process.stdin.write(json.dumps(asdict(crowd)).encode() + b"\n")
    return process


async def _read(process: Process, found: Crowds, number: int) -> None:
    assert process.stdout is not None
    while line := await process.stdout.readline():
        found.told[number] = json.loads(line)
