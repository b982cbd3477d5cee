"""Composition root of the worker: the one place that joins its decisions to the world."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

import structlog
from starlette.routing import BaseRoute

from poolhand.chain import Chain, connect
from poolhand.domain.deal import Workerpool
from poolhand.domain.doctor.network import no_such_pool
from poolhand.domain.gpu import Gpu
from poolhand.domain.messages import Nonce
from poolhand.keys.keystore import open_wallet
from poolhand.keys.lock import WalletLock
from poolhand.keys.own_signer import OwnSigner
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.groups import unwrapped
from poolhand.observe.machine_use import ThisMachine
from poolhand.observe.private import private_folder
from poolhand.observe.processors import usable_cpus
from poolhand.observe.recursion import guard_recursion
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, HubFacts
from poolhand.ports.clock import Clock
from poolhand.ports.journal import Journal
from poolhand.ports.signer import WalletKey
from poolhand.ports.tunnels import NO_TUNNELS, Tunnels
from poolhand.settings.preferences import CHANGES_FILE
from poolhand.settings.wallets import DEFAULT_KEYSTORE
from poolhand.settings.worker import WorkerSettings
from poolhand.store.file import FileJournal
from poolhand.store.section import Section
from poolhand.transport.bearer import bearer_guard, behind_token
from poolhand.transport.clock import SystemClock, SystemEntropy
from poolhand.transport.downloading import Downloads
from poolhand.transport.fetcher import SafeFetcher
from poolhand.transport.guards import hosts_of
from poolhand.transport.listen import serve
from poolhand.transport.plain import plain_application
from poolhand.transport.plumbing import first_of
from poolhand.transport.session_client import SessionClient
from poolhand.wire.handshake import PoolFacts
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_output import output_route
from poolhand.worker.capabilities import capabilities_of
from poolhand.worker.composition import HONEST, Worker
from poolhand.worker.composition.cluster import cluster_watch, engine_disk_watch, hosts_watch
from poolhand.worker.composition.live import LiveParts, identity_of
from poolhand.worker.composition.tee import confidential_terms, own_tee_proofs
from poolhand.worker.composition.terms import check_payout, rules_of
from poolhand.worker.composition.transfers import downloads_of, results_of
from poolhand.worker.composition.upgrading import keep_new, ready_of, upgrader_of
from poolhand.worker.control import LONGEST_WORKER_FAREWELL, Control
from poolhand.worker.control_page import NoOrderToken, control_routes
from poolhand.worker.doctor.checks import NoSuchPool
from poolhand.worker.doctor.main import running_doctor, tell_at_start
from poolhand.worker.doctor.page import Examine, doctor_routes, nothing_examined
from poolhand.worker.engines import WorkerEngine, open_engine, tasks_folder, worker_gpus
from poolhand.worker.life import Life, Machine
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.membership import keep_membership
from poolhand.worker.page.serving import page_routes
from poolhand.worker.parts import WorkerParts
from poolhand.worker.pid_file import post, remove
from poolhand.worker.reports import PoolReports
from poolhand.worker.results_place import ResultsPlace
from poolhand.worker.settings_page import settings_routes
from poolhand.worker.status import OPEN_PATHS, left_behind, routes
from poolhand.worker.tee.computing import TeeTerms

FAULTS_FOLDER: Final = "faults"
"""Where in the worker's folder traces and quarantined stories lie."""

log = structlog.get_logger()


@dataclass(slots=True)
class World:
    """What the worker found when it started; ``take_orders`` tells who asks for the wallet.

    ``gpus`` are those that tasks are given.
    """

    chain: Chain
    pool: Workerpool
    wallet: WalletKey
    journal: FileJournal
    engine: WorkerEngine
    downloads: Downloads
    take_orders: Callable[[str, str], None] = lambda _url, _token: None
    examine: Examine = nothing_examined
    live: LiveSettings = field(default_factory=LiveSettings.usual)
    tunnels: Tunnels = NO_TUNNELS
    gpus: tuple[Gpu, ...] = ()
    tee: TeeTerms | None = None


async def run(
    settings: WorkerSettings,
    ready: Callable[[str], None] | None = None,
    parts: WorkerParts = HONEST,
    signer: OwnSigner | None = None,
) -> None:
    """Work until cancelled, drained or told to stop.

    Args:
        settings: The operator's.
        ready: Called with the URL of the status page once the pool has let the worker in.
        parts: How the worker is put together.
        signer: Has the wallet's key; None, in simulations: this process opens the wallet itself.

    Raises:
        WalletInUse, WrongPassword, NoSuchPool, …: What the operator must change.
        RuntimeDown: There is no container engine, and nothing is held that needs looking after.
        ChainUnreachable: No RPC endpoint answers, and nothing is held that needs looking after.
        SignerGone: The signer has ended.
    """
    guard_recursion()
    if signer is None:
        assert settings.wallet is not None
        told = settings.wallet, DEFAULT_KEYSTORE, settings.password
        wallet = await asyncio.to_thread(open_wallet, *told)
        await _find_world(settings, wallet, lambda _facts: None, ready, parts)
        return
    log.info("signer_started", pid=signer.pid, gave_up=signer.bounds)

    def meet(facts: HubFacts) -> None:
        signer.meet(facts.chain_id, facts.rlc)

    with unwrapped():  # without its signer a worker could pay for nothing that it owes
        await first_of(_find_world(settings, signer, meet, ready, parts), signer.ended())


async def _find_world(
    settings: WorkerSettings,
    wallet: WalletKey,
    meet: Callable[[HubFacts], None],
    ready: Callable[[str], None] | None,
    parts: WorkerParts,
) -> None:
    """Open what the worker needs of the world, and work there; ``meet`` is told of the chain."""
    async with AsyncExitStack() as stack:
        stack.enter_context(unwrapped())
        lock = stack.enter_context(WalletLock(settings.locks, wallet.address))
        private_folder(settings.base)
        journal = FileJournal(settings.base / "journal")
        stack.callback(journal.close)
        live = followed_settings(settings)
        gpus = stack.enter_context(worker_gpus(settings, parts.files))
        downloads = await stack.enter_async_context(downloads_of(settings, live, parts).at_work())
        engine = await stack.enter_async_context(open_engine(settings, parts.files))
        settings = replace(settings, cpus=engine.slots)
        retry = _retry(journal)
        chain = await stack.enter_async_context(connect(settings.chain, retry))
        check_payout(settings, wallet.address, chain.facts)
        meet(chain.facts)
        pool = await retry.ask(lambda: chain.hub.workerpool(settings.pool))
        if pool is None:
            raise NoSuchPool(no_such_pool(settings.pool, chain.facts.chain_id))
        examine = running_doctor(settings, chain, wallet.address)
        asked = lock.take_orders, examine
        tee = await asyncio.to_thread(confidential_terms, settings, wallet)
        found = downloads, gpus
        world = World(chain, pool, wallet, journal, engine, downloads, *asked, live, *found, tee)
        looking = asyncio.create_task(tell_at_start(examine))
        try:
            await work(settings, world, ready, parts)
        finally:
            looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)


def followed_settings(settings: WorkerSettings) -> LiveSettings:
    """Return what may be changed of a worker while it runs, as it was left.

    Raises:
        BadSetting: The file with the changes cannot be read.
    """
    live = LiveSettings(settings.live, settings.base / CHANGES_FILE, settings.engine_cpus)
    live.recover()
    return live


def _retry(journal: Journal) -> ChainRetry:
    """Return how the chain is asked at a start.

    A worker that holds something waits for its chain, as it does later, for its stake may depend
    on it; one that holds nothing says at once what is wrong.
    """
    holds = any(True for _ in Section(journal, "task").read())
    return ChainRetry(SystemClock(), chain_outage("the worker"), lasts=holds)


async def work(
    settings: WorkerSettings,
    world: World,
    ready: Callable[[str], None] | None = None,
    parts: WorkerParts = HONEST,
) -> None:
    """Work in a world that is at hand, see ``run``; what is held when it ends is logged."""
    at_work: asyncio.Future[Control] = asyncio.get_running_loop().create_future()

    async def until_told() -> None:
        control = await at_work
        await control.ended()
        parts.takeover.take(control.successor)

    with Life(settings.base, Machine.read()) as life:
        try:
            attending = _attend(settings, world, ready, parts, at_work, life)
            await first_of(attending, until_told())
        finally:
            remove(settings.base)


async def _attend(
    settings: WorkerSettings,
    world: World,
    ready: Callable[[str], None] | None,
    parts: WorkerParts,
    at_work: asyncio.Future[Control],
    life: Life,
) -> None:
    facts = PoolFacts(
        world.chain.facts.chain_id, world.chain.facts.hub, settings.pool, settings.pool_url
    )
    clock, entropy, place = SystemClock(), SystemEntropy(), ResultsPlace()
    async with asyncio.TaskGroup() as tasks:
        instance = Nonce(entropy.bytes(32))
        claims = parts.claims(capabilities_of(settings, instance, len(world.gpus)))
        client = SessionClient(
            facts, world.pool.owner, world.wallet, claims, clock, entropy, parts.rules
        )
        worker = _worker(settings, world, parts, facts, client, place, clock, tasks)
        proofs = own_tee_proofs(settings, worker.member, client, world.wallet, facts, clock, tasks)
        worker.member.joined.connect(partial(_tell_about, worker.reports, world))
        orders = Section(world.journal, "operator")
        control = Control(worker.member, orders, clock, _farewell(client))
        upgrader = upgrader_of(settings, parts, facts, world.chain.hub, control, clock, entropy)
        who = identity_of(settings, world.wallet.address, world.engine, proofs.show)
        runtime, upgrade = world.engine.runtime, upgrader.show
        live = LiveParts.of(worker, who, world.chain, runtime, clock, upgrade)
        await _take_up(world.chain.hub, worker, control, life, clock, tasks)
        live.follow(tasks)
        tasks.create_task(world.live.keep_reading(clock))
        keep_new(settings, worker.member, upgrader, tasks)
        tasks.create_task(keep_membership(client, worker.member, clock, upgrader.refused))
        for watch in (
            cluster_watch(world.engine, worker.member, clock),
            engine_disk_watch(world.engine, worker.member, clock),
            hosts_watch(world.engine, worker.member, settings.app_network.hosts, clock),
        ):
            if watch is not None:
                tasks.create_task(watch.keep_looking())
        at_work.set_result(control)
        let_in = ready_of(settings, ready, control)

        def started(url: str) -> None:
            if let_in is not None:
                tasks.create_task(_when_let_in(place, partial(let_in, url)))

        taken = control_routes(control, worker.depositor, upgrader)
        await _serve(settings, world, worker, live, taken, entropy.bytes(32).hex(), started)


def _worker(
    settings: WorkerSettings,
    world: World,
    parts: WorkerParts,
    facts: PoolFacts,
    client: SessionClient,
    place: ResultsPlace,
    clock: Clock,
    tasks: asyncio.TaskGroup,
) -> Worker:
    """Put the worker together over the world that it found."""
    return Worker(
        world.wallet.address,
        facts.workerpool,
        f"poolhand-{settings.name}",
        tasks_folder(settings, world.wallet.address),
        settings.cpus,
        rules_of(settings),
        hub=world.chain.hub,
        watcher=world.chain.watcher,
        sender=world.chain.sender(world.wallet, Section(world.journal, "tx")),
        runtime=world.engine.runtime,
        fetcher=SafeFetcher(world.downloads, settings.folders),
        tunnels=world.tunnels,
        results=results_of(settings, world.live, place, world.wallet, facts, clock),
        place=place,
        link=client,
        journal=Section(world.journal, "task"),
        clock=clock,
        tasks=tasks,
        boundary=FaultBoundary(settings.base / FAULTS_FOLDER),
        places=AllowedPlaces.of(settings),
        remembered=settings.metrics_window,
        live=world.live,
        machine=ThisMachine(),
        cpus=usable_cpus(),
        images=world.engine.images,
        kept=settings.base,
        gpus=world.gpus,
        tee=world.tee,
        waiting=lambda: client.waiting if client.is_ready else 1,
        payout_to=settings.payout_address,
        payout_journal=Section(world.journal, "payout"),
        parts=parts,
    )


async def _take_up(
    hub: Hub,
    worker: Worker,
    control: Control,
    life: Life,
    clock: Clock,
    tasks: asyncio.TaskGroup,
) -> None:
    """Recover what the worker holds and was told, clear away the rest, and follow the chain."""
    head = await worker.retry.ask(hub.head)
    worker.shell.recover(sudden=life.begin())
    worker.payouts.recover()
    tasks.create_task(life.keep_looking(clock))
    control.recover()
    tasks.create_task(control.keep_time())
    await worker.sweep.once()
    worker.follow(head.number)


async def _serve(
    settings: WorkerSettings,
    world: World,
    worker: Worker,
    live: LiveParts,
    orders: tuple[BaseRoute, ...],
    token: str,
    started: Callable[[str], None],
) -> None:
    """Answer on the status page until cancelled; ``started`` is told where that is."""
    pages = _pages(worker, live, world, orders, token)
    app = plain_application("Poolhand worker", pages, hosts=hosts_of("127.0.0.1"))

    def told(port: int) -> None:
        url = f"http://127.0.0.1:{port}"
        post(settings.base, url, token)
        world.take_orders(url, token)
        log.info("worker_started", name=settings.name, status=url, slots=settings.cpus)
        started(url)

    try:
        await serve(app, "127.0.0.1", settings.status_port, told, flag="--status-port")
    finally:
        log.info("worker_stopped", **left_behind(worker.member))


def _pages(
    worker: Worker, live: LiveParts, world: World, orders: tuple[BaseRoute, ...], token: str
) -> tuple[BaseRoute, ...]:
    """Return what the status page answers: with the token, all but what everybody is told."""
    told = (
        *routes(live.status, live.registry),
        *page_routes(live.live, live.feed),
        *doctor_routes(world.examine),
        *orders,
        *settings_routes(worker.live, live.notices),
        output_route(world.engine.runtime, worker.engine.container),
    )
    return behind_token(told, bearer_guard(token, NoOrderToken), OPEN_PATHS)


def _tell_about(reports: PoolReports, world: World) -> None:
    """Tell the pool in what apps run here, once the engine has told us, and of GPUs."""
    found = world.engine.sandbox()
    reports.about("" if found is None else found.word, len(world.gpus))


def _farewell(client: SessionClient) -> Callable[[], Awaitable[None]]:
    async def leave() -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LONGEST_WORKER_FAREWELL):
                await client.close("drained", "the operator stopped the worker; it holds nothing")

    return leave


async def _when_let_in(place: ResultsPlace, ready: Callable[[], None]) -> None:
    await place.url()
    ready()
