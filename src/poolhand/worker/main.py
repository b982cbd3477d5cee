"""Composition root of the worker: the one place that joins its decisions to the world."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

import psutil
import structlog

from poolhand import __version__
from poolhand.chain import Chain, connect
from poolhand.containers.docker import DockerRuntime
from poolhand.domain.deal import Workerpool
from poolhand.domain.errors import Refused
from poolhand.domain.messages import Nonce
from poolhand.keys import DEFAULT_FOLDER, Wallet, WalletLock, open_wallet
from poolhand.observe.groups import unwrapped
from poolhand.observe.recursion import guard_recursion
from poolhand.ports.files import ResultsClient
from poolhand.ports.runtime import Limits
from poolhand.settings.worker import WorkerSettings
from poolhand.store import FileJournal
from poolhand.store.section import Section
from poolhand.transport.asgi import application, hosts_of, serve
from poolhand.transport.clock import SystemClock, SystemEntropy
from poolhand.transport.fetcher import FetchRules, SafeFetcher
from poolhand.transport.results_client import HttpResults
from poolhand.transport.session_client import SessionClient
from poolhand.wire.handshake import PoolFacts
from poolhand.wire.messages import Capabilities
from poolhand.worker.agent import Agent
from poolhand.worker.bench import Bench, Rules
from poolhand.worker.craft import Craft
from poolhand.worker.status import routes

STATUS_FILE: Final = "worker.json"
"""In the base folder: where the status page is."""
TASK_LOG: Final = 1024 * 1024
"""Bytes kept of what an app prints, per stream."""

HONEST: Final = Craft()

log = structlog.get_logger()


class NoSuchPool(Refused):
    """The configured workerpool is not registered on the chain."""


@dataclass(slots=True)
class _World:
    """What the worker found when it started."""

    chain: Chain
    pool: Workerpool
    wallet: Wallet
    journal: FileJournal
    runtime: DockerRuntime


async def run(
    settings: WorkerSettings,
    ready: Callable[[str], None] | None = None,
    craft: Craft = HONEST,
) -> None:
    """Work until cancelled.

    Args:
        settings: The operator's.
        ready: Called with the URL of the status page once the pool has let the worker in.
        craft: How the worker is put together.

    Raises:
        WalletInUse, WrongPassword, NoSuchPool, …: What the operator must change.
        RuntimeDown: There is no container engine.
        ChainUnreachable: No RPC endpoint answers.
    """
    guard_recursion()
    wallet = await asyncio.to_thread(
        open_wallet, settings.wallet, DEFAULT_FOLDER, settings.password
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(unwrapped())
        stack.enter_context(WalletLock(settings.locks, wallet.address))
        journal = FileJournal(settings.base / "journal")
        stack.callback(journal.close)
        runtime = await stack.enter_async_context(
            DockerRuntime.open(settings.docker, logins=settings.registries)
        )
        chain = await stack.enter_async_context(connect(settings.chain))
        pool = await chain.hub.workerpool(settings.pool)
        if pool is None:
            raise NoSuchPool(
                f"no workerpool {settings.pool} on chain {chain.facts.chain_id}: check "
                "POOL_ADDRESS and the chain"
            )
        await _work(settings, _World(chain, pool, wallet, journal, runtime), ready, craft)


async def _work(
    settings: WorkerSettings,
    world: _World,
    ready: Callable[[str], None] | None,
    craft: Craft,
) -> None:
    facts = PoolFacts(
        world.chain.facts.chain_id, world.chain.facts.hub, settings.pool, settings.pool_url
    )
    clock, entropy = SystemClock(), SystemEntropy()
    async with asyncio.TaskGroup() as tasks:
        bench = _bench(settings, world, facts, clock)
        hands = craft.hands(bench, settings.cpus)
        journal = craft.journal(Section(world.journal, "task"))
        agent = Agent(bench, hands, journal, tasks, settings.cpus)

        async def results() -> ResultsClient:
            url = await asyncio.shield(agent.results_url)
            return HttpResults(url, world.wallet, facts, clock)

        bench.results = results
        client = SessionClient(
            facts,
            world.pool.owner,
            world.wallet,
            _capabilities(settings, Nonce(entropy.bytes(32))),
            agent,
            clock,
            entropy,
        )
        agent.link = craft.link(client)
        head = await world.chain.hub.head()
        agent.shell.recover()
        live = [bench.container(held.task_id) for held in agent.held()]
        await world.runtime.sweep(f"poolhand.worker={bench.worker}", keep=live)
        agent.eyes.look_at_all()
        tasks.create_task(agent.eyes.keep_looking())
        tasks.create_task(agent.eyes.follow_events(head.number))
        tasks.create_task(agent.eyes.follow_heads())
        tasks.create_task(client.run())
        app = application(
            "Poolhand worker",
            [routes(agent, bench, settings.cpus)],
            hosts=hosts_of("127.0.0.1"),
        )

        def told(port: int) -> None:
            url = f"http://127.0.0.1:{port}"
            _note_status_page(settings, url)
            if ready is not None:
                agent.results_url.add_done_callback(lambda done: done.cancelled() or ready(url))

        await serve(app, "127.0.0.1", settings.status_port, told)


def _note_status_page(settings: WorkerSettings, url: str) -> None:
    """Write down where the status page is, for ``poolhand worker status``."""
    (settings.base / STATUS_FILE).write_text(json.dumps({"url": url}), encoding="utf-8")
    log.info("worker_started", name=settings.name, status=url, slots=settings.cpus)


def _bench(settings: WorkerSettings, world: _World, facts: PoolFacts, clock: SystemClock) -> Bench:
    limits = Limits(
        memory=settings.memory,
        cpus=1.0,
        pids=settings.pids,
        tmp=settings.tmp,
        log=TASK_LOG,
        output=settings.output,
    )
    fetcher = SafeFetcher(
        FetchRules(
            allow_http=settings.allow_private,
            allow_private=settings.allow_private,
            allow_files=settings.folders,
            ipfs_gateways=settings.ipfs_gateways,
        )
    )
    rules = Rules(
        limits,
        settings.allow_network,
        settings.input_bytes,
        settings.download_timeout,
        settings.least_pull_timeout,
        settings.pull_timeout,
        settings.developer_logger,
    )
    return Bench(
        worker=world.wallet.address,
        name=f"poolhand-{settings.name}",
        pool=facts.workerpool,
        hub=world.chain.hub,
        watcher=world.chain.watcher,
        sender=world.chain.sender(world.wallet, Section(world.journal, "tx")),
        runtime=world.runtime,
        fetcher=fetcher,
        results=_nowhere,
        clock=clock,
        rules=rules,
        base=settings.base / "tasks",
        durations=deque(maxlen=settings.metrics_window),
    )


async def _nowhere() -> ResultsClient:
    """Stand in until the agent is there to say where results go."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("unreachable: the future above is never done")


def _capabilities(settings: WorkerSettings, instance: Nonce) -> Capabilities:
    return Capabilities(
        name=settings.name,
        version=__version__,
        cpus=psutil.cpu_count() or 1,
        slots=settings.cpus,
        memory=psutil.virtual_memory().total,
        tee=(),
        gpu=settings.gpu,
        instance=instance,
    )
