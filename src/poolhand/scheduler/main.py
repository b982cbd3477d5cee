"""Composition root of the scheduler: the one place that joins its decisions to the world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path
from socket import socket
from typing import Final, NoReturn, Protocol, TypeAlias

import httpx
import structlog

from poolhand.attestation.pcs import PcsCollateral
from poolhand.attestation.roots import SimulatedTrust
from poolhand.attestation.verifier import DcapVerifier
from poolhand.chain import connect
from poolhand.domain.deal import Workerpool
from poolhand.domain.errors import Refused
from poolhand.domain.market.profiles import MOST_DESCRIPTION, MOST_NAME, PoolProfile
from poolhand.domain.text import shown
from poolhand.domain.units import MIB, BlockNumber
from poolhand.keys.keystore import open_wallet
from poolhand.keys.lock import WalletLock
from poolhand.keys.wallet import Wallet
from poolhand.observe.collection import keep_searching, without_full_searches
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.groups import unwrapped
from poolhand.observe.recursion import guard_recursion
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.attestation import QuoteVerifier
from poolhand.ports.chain import Hub, HubFacts, PostingSender, Watcher
from poolhand.ports.journal import DurableLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.output_spool import SpoolBounds
from poolhand.ports.signer import TransactionSigner
from poolhand.scheduler.api.selling import pool_config
from poolhand.scheduler.composition import Scheduler
from poolhand.scheduler.database import SharedDatabase, SoleDatabase
from poolhand.scheduler.front import FencedApp, Front
from poolhand.scheduler.owner_orders import deposit_routes, local_url
from poolhand.scheduler.standing_by import PAUSE_BETWEEN_LEADER_LOOKS
from poolhand.scheduler.task_history import TaskHistories
from poolhand.settings.chain import ChainSettings
from poolhand.settings.pool import PoolSettings
from poolhand.settings.wallets import DEFAULT_KEYSTORE
from poolhand.store.group import grouped
from poolhand.store.output_spool import SqlOutputSpool
from poolhand.store.section import LogSection
from poolhand.store.sql_engine import file_of, is_server
from poolhand.transport.asgi import application, bind, hosts_of, port_of
from poolhand.transport.clock import SystemClock, SystemEntropy
from poolhand.transport.market_client import MarketClient
from poolhand.transport.results_client import HttpShelf
from poolhand.transport.session_server import worker_endpoint
from poolhand.transport.tee_challenge_client import HttpTeeChallenges
from poolhand.web.trusted import trusted
from poolhand.wire.handshake import PoolFacts

RESULTS_TIMEOUT: Final = 10.0
"""Seconds for an answer of the results service."""

SIMULATED_TEE: Final = "Simulated TEE: confidential tasks are kept secret from nobody here."
"""What such a pool says of itself in markets; who buys of it accepts that."""

log = structlog.get_logger()


class NotThePoolsOwner(Refused):
    """The wallet does not own the workerpool, or there is no such pool."""


class StartBlockAhead(Refused):
    """A pool would hear of no deal before a block that the chain does not have yet."""

    def __init__(self, start: BlockNumber, newest: BlockNumber) -> None:
        super().__init__(
            f"--start-block is {start}, but the newest block of the chain is {newest}: name the "
            "block of the oldest deal that is still open (`poolhand account stakes` tells the "
            "block of each), or leave it out"
        )


class JoinedChain(Protocol):
    """A chain that is followed: ``chain.connect`` yields one, ``chain.fake`` is one."""

    @property
    def facts(self) -> HubFacts:
        """Of the hub."""

    @property
    def hub(self) -> Hub:
        """Reads."""

    @property
    def watcher(self) -> Watcher:
        """Tells of heads and events."""

    def sender(
        self, wallet: TransactionSigner, journal: DurableLog, fence: Fence = UNFENCED
    ) -> PostingSender:
        """Return the sender of a wallet."""


Join: TypeAlias = Callable[[ChainSettings, ChainRetry], AbstractAsyncContextManager[JoinedChain]]


async def run(
    settings: PoolSettings,
    ready: Callable[[str], None] | None = None,
    join: Join = connect,
) -> None:
    """Serve a pool until cancelled.

    Args:
        settings: The pool owner's.
        ready: Called with the pool's URL once workers and requesters may come.
        join: Connects to the chain.

    Raises:
        NotThePoolsOwner, WrongPassword, PortBusy, …: What the owner must change.
        ChainUnreachable: No RPC endpoint answers, and the pool has not been served before.
    """
    guard_recursion()
    wallet = await asyncio.to_thread(
        open_wallet, settings.wallet, DEFAULT_KEYSTORE, settings.password
    )
    async with AsyncExitStack() as stack:
        stack.enter_context(unwrapped())
        stack.enter_context(without_full_searches())
        lock = WalletLock(settings.locks, wallet.address)
        stack.callback(lock.release)
        database = (SharedDatabase if is_server(settings.database) else SoleDatabase)(
            settings, lock
        )
        await database.open(stack)
        retry = _retry(has_past=database.has_past)
        chain = await stack.enter_async_context(join(settings.chain, retry))
        pool = await retry.ask(lambda: _check_owner(chain.hub, settings, wallet))
        await retry.ask(lambda: _check_history(chain.hub, settings, is_new=not database.has_past))
        http = await stack.enter_async_context(
            httpx.AsyncClient(timeout=RESULTS_TIMEOUT, verify=trusted(environment=True))
        )
        listener = stack.enter_context(bind(settings.host, settings.port))
        url = settings.public_url or f"http://{settings.host}:{port_of(listener)}"
        front = Front(listener)
        config = pool_config(settings, chain.facts, wallet.address, url)
        lead = await database.lead(stack, front, config, TaskHistories(chain.hub))
        events = await stack.enter_async_context(grouped(lead.journal))
        spool = SqlOutputSpool(logs_url(settings), SpoolBounds(in_all=settings.logs_size * MIB))
        stack.push_async_callback(asyncio.to_thread, spool.close)
        scheduler = Scheduler(
            settings,
            chain.hub,
            chain.watcher,
            chain.sender(wallet, LogSection(events, "tx"), lead.fence),
            wallet,
            LogSection(events, "task"),
            SystemClock(),
            SystemEntropy(),
            HttpShelf(http, settings.results_url),
            boundary=FaultBoundary(_faults(settings.database)),
            reputations=LogSection(events, "reputation"),
            fence=lead.fence,
            markets=[MarketClient(http, each, chain.facts.domain) for each in settings.markets],
            sale_log=LogSection(events, "sale"),
            profile=pool_profile(settings, pool, url),
            drain_log=LogSection(events, "drain"),
            purchase_log=LogSection(events, "purchase"),
            exclusion_log=LogSection(events, "exclusion"),
            tally_log=LogSection(events, "tally"),
            earning_log=LogSection(events, "earning"),
            spool=spool,
            verifier=_verifier(settings, http),
            challenges=_challenges(settings, http, wallet),
        )
        facts = PoolFacts(chain.facts.chain_id, chain.facts.hub, settings.workerpool, url)
        await _serve(scheduler, wallet, lock, facts, listener, ready, front, lead.fence)


def logs_url(settings: PoolSettings) -> str:
    """Return where what apps print is kept: an SQLite database beside the pool's, or its server."""
    file = file_of(settings.database)
    if settings.logs_database or file is None:
        return settings.logs_database or settings.database
    return f"sqlite:///{file.with_name(f'{file.stem}-output{file.suffix}')}"


def _verifier(settings: PoolSettings, http: httpx.AsyncClient) -> QuoteVerifier | None:
    """Return who verifies workers' quotes; None where nothing is set that says by which root.

    Raises:
        NoSimulatedRoot: The file that was named is none.
    """
    roots = []
    if settings.simulated_tee is not None:
        log.warning("simulated_tee_accepted", file=str(settings.simulated_tee))
        roots.append(SimulatedTrust.load(settings.simulated_tee))
    kept = _faults(settings.database).with_name("collateral")
    intel = PcsCollateral(http, kept, settings.pccs_url) if settings.pccs_url else None
    return DcapVerifier(intel, roots) if roots or intel else None


def _challenges(
    settings: PoolSettings, http: httpx.AsyncClient, owner: Wallet
) -> HttpTeeChallenges | None:
    """Return who keeps the secrets of confidential tasks; None where nobody does."""
    if not settings.sms_url:
        return None
    return HttpTeeChallenges(http, settings.sms_url, owner.sign_challenge_request)


def _faults(database: str) -> Path:
    """Return where trace files lie: beside the database, if it is a file."""
    return (file_of(database) or Path("pool.db")).parent / "faults"


def _retry(*, has_past: bool) -> ChainRetry:
    """Return how the chain is asked at a start.

    A pool that was served before waits for its chain, as it does later, for workers may depend on
    it; a new one says at once what is wrong.
    """
    return ChainRetry(SystemClock(), chain_outage("the scheduler"), lasts=has_past)


async def _serve(
    scheduler: Scheduler,
    wallet: Wallet,
    lock: WalletLock,
    facts: PoolFacts,
    listener: socket,
    ready: Callable[[str], None] | None,
    front: Front | None = None,
    fence: Fence = UNFENCED,
) -> None:
    """Catch up with the chain, then let workers and requesters in."""
    async with asyncio.TaskGroup() as tasks:
        caught_up = asyncio.Event()
        tasks.create_task(_keep_checking(fence))
        tasks.create_task(scheduler.run(caught_up.set))
        tasks.create_task(keep_searching(SystemClock()))
        await caught_up.wait()
        token = SystemEntropy().bytes(32).hex()
        app = application(
            "Poolhand pool",
            [
                *scheduler.api(facts.url),
                *deposit_routes(scheduler.deposits, token),
                *scheduler.owner_api(facts.url, token),
                worker_endpoint(scheduler.sessions, wallet, facts),
            ],
            hosts=hosts_of(listener.getsockname()[0], facts.url),
        )

        async with (front or Front(listener)).answers(FencedApp(app, fence)):
            lock.take_orders(local_url(listener), token)
            log.info("pool_started", url=facts.url, workerpool=str(facts.workerpool))
            if ready is not None:
                ready(facts.url)
            try:
                await asyncio.Event().wait()
            finally:
                await scheduler.sale.stop()
                await scheduler.sessions.close()  # before the server hangs up without a word


async def _keep_checking(fence: Fence) -> NoReturn:
    """End the program once it has lost the lead, whatever it does."""
    while True:
        fence.check()
        await asyncio.sleep(PAUSE_BETWEEN_LEADER_LOOKS)


def pool_profile(settings: PoolSettings, pool: Workerpool, url: str) -> PoolProfile:
    """Return what the pool says of itself in markets."""
    name = settings.name or shown(pool.description, MOST_NAME).strip() or "a workerpool"
    about = settings.about
    if settings.simulated_tee is not None:  # the SDK's buyers can read it nowhere else
        about = f"{SIMULATED_TEE}\n{about}".strip()[:MOST_DESCRIPTION]
    texts = name, about, url, settings.results_url
    return PoolProfile(pool.address, pool.owner, *texts)


async def _check_owner(hub: Hub, settings: PoolSettings, wallet: Wallet) -> Workerpool:
    pool = await hub.workerpool(settings.workerpool)
    if pool is None:
        raise NotThePoolsOwner(
            f"no workerpool {settings.workerpool} on chain {hub.facts.chain_id}: check "
            "POOL_ADDRESS and the chain, or make one with `poolhand pool create`"
        )
    if pool.owner != wallet.address:
        raise NotThePoolsOwner(
            f"workerpool {pool.address} belongs to {pool.owner}, the wallet is {wallet.address}: "
            "give the keystore of the pool's owner"
        )
    return pool


async def _check_history(hub: Hub, settings: PoolSettings, *, is_new: bool) -> None:
    """Read logs once before anybody is told that the pool is ready.

    Raises:
        ChainUnreachable: The endpoint does not answer.
        StartBlockAhead: A new pool would be deaf until the chain is there.
    """
    newest = (await hub.head()).number
    if is_new and settings.start_block is not None and settings.start_block > newest:
        raise StartBlockAhead(settings.start_block, newest)
    await hub.deals_of(settings.workerpool, newest, newest)
