"""The worker put together, over its ports.

Nothing is decided or done here. Parts are made here alone (ADR 0026), for the program, which gives
them the world (``worker.main``), and for simulations. Each module makes one group, which lists its
parts: ``chain`` reads, ``sandbox`` computes, ``stages`` carry out what a replicate's machine asks
for, ``watches`` look at every block; what the worker says to its pool stands on all of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from poolhand.domain.gpu import Gpu
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.machine import Replicate, Report
from poolhand.domain.signal import Signal
from poolhand.domain.units import BlockNumber
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.simulated_machine import SimulatedMachine
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.files import Fetcher, ResultsClient
from poolhand.ports.images import EngineImages
from poolhand.ports.journal import Journal
from poolhand.ports.machine_use import MachineUse
from poolhand.ports.runtime import ContainerOutcome, ContainerRuntime
from poolhand.ports.tunnels import NO_TUNNELS, Tunnels
from poolhand.store.memory import MemoryJournal
from poolhand.transport.price_client import read_price
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_feeds import AppFeeds
from poolhand.worker.beneficiary_keys import BeneficiaryKeys
from poolhand.worker.composition.chain import ChainParts
from poolhand.worker.composition.sandbox import SandboxParts
from poolhand.worker.composition.stages import all_stages
from poolhand.worker.composition.watches import WatchParts
from poolhand.worker.computations import Computations
from poolhand.worker.deposit import Depositor
from poolhand.worker.held_replicates import HeldReplicates, slots_taken
from poolhand.worker.image_cache import UntouchedImages
from poolhand.worker.live_settings import LiveSettings
from poolhand.worker.offers import OfferIntake, OfferTerms
from poolhand.worker.parts import WorkerParts
from poolhand.worker.payouts import Payouts
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.presence_watch import PresenceWatch
from poolhand.worker.price_watch import PriceWatch, ReadsPrice
from poolhand.worker.reports import PoolLink, PoolReports
from poolhand.worker.results_place import ResultsPlace
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.stages.compute import check_outcome
from poolhand.worker.standing import Hold
from poolhand.worker.sweep import Sweep
from poolhand.worker.task_choice import TaskChoice
from poolhand.worker.task_rules import Rules
from poolhand.worker.tee.computing import ConfidentialComputation, TeeTerms
from poolhand.worker.work_looks import WorkLooks
from poolhand.worker.worker_wallet import WorkerWallet
from poolhand.worker.working_hours import WorkingHours

HONEST: Final = WorkerParts()


class Worker:
    """One worker: its parts, each whole when it is made.

    Args:
        address: Of its wallet.
        pool: The workerpool that it works for.
        name: What its containers' names begin with.
        base: Where the folders of its tasks lie.
        slots: Tasks that are computed at once.
        rules: What the operator allows a task.
        hub, watcher, sender: The chain, and the wallet's transactions.
        runtime: The container engine.
        fetcher: Brings data.
        results: The results service, once it is known where that is.
        place: Told where it is.
        link: The session to the pool.
        journal: Of the replicates.
        clock: For everything.
        tasks: Owns whatever runs.
        boundary: Takes what the work on one task raises and nobody expected.
        places: Where images may come from, and results go.
        remembered: Computations whose durations are kept.
        live: What the operator may change meanwhile.
        machine: The computer that it runs on, beside its own work.
        cpus: The processors of that.
        images: Of the engine; None: they are left alone.
        tunnels: Lets apps through to hosts.
        kept: Folder for what outlives tasks; None: nothing does.
        gpus: That tasks are given which need one.
        tee: How it runs confidential tasks; None: not at all.
        waiting: How many messages to the pool are yet to be written.
        payout_to: Whom earnings are paid out to; None: they stay stake.
        payout_journal: Of that; None, in simulations: in memory.
        read_price: Asks what a coin is worth.
        parts: What is put together in another way, by an adversary.
    """

    def __init__(
        self,
        address: Address,
        pool: Address,
        name: str,
        base: Path,
        slots: int,
        rules: Rules,
        *,
        hub: Hub,
        watcher: Watcher,
        sender: TransactionSender,
        runtime: ContainerRuntime,
        fetcher: Fetcher,
        results: Callable[[], Awaitable[ResultsClient]],
        place: ResultsPlace,
        link: PoolLink,
        journal: Journal,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        boundary: FaultBoundary,
        places: AllowedPlaces = AllowedPlaces(),
        remembered: int = 1000,
        live: LiveSettings | None = None,
        machine: MachineUse | None = None,
        cpus: int = 1,
        images: EngineImages | None = None,
        tunnels: Tunnels = NO_TUNNELS,
        kept: Path | None = None,
        gpus: Sequence[Gpu] = (),
        tee: TeeTerms | None = None,
        waiting: Callable[[], int] = lambda: 0,
        payout_to: Address | None = None,
        payout_journal: Journal | None = None,
        read_price: ReadsPrice = read_price,
        parts: WorkerParts = HONEST,
    ) -> None:
        replicates = dict[TaskId, Replicate]()
        told = Signal[[TaskId, Replicate, tuple[Report, ...]]]()
        held_back = Signal[[Hold, str | None]]()
        said = parts.link(link)
        reports = PoolReports(said)
        self.computations = Computations(reports.logs, remembered, log_output=rules.log_output)

        async def results_there() -> ResultsClient:
            return parts.results(await results())

        # what the stages work with, and the replicates that they carry on
        chain = ChainParts.of(address, hub, watcher, clock)
        self.live = live or LiveSettings.usual()
        sandbox = SandboxParts.of(
            address,
            name,
            base,
            rules,
            places,
            runtime,
            clock,
            self.live,
            images or UntouchedImages(),
            kept,
            lambda: [name for name, each in replicates.items() if not each.is_over],
            gpus,
        )
        keys = BeneficiaryKeys(results)
        wallet = WorkerWallet(address, parts.sender(sender), replicates)
        self.feeds = AppFeeds(
            runtime,
            sandbox.engine.container,
            replicates,
            WorkLooks(runtime, sandbox.engine.container, sandbox.folders, sandbox.images.wanted),
            said.send,
            waiting,
            clock,
            tasks,
            boundary,
        )

        def ended(task_id: TaskId, outcome: ContainerOutcome) -> None:
            self.feeds.ended(task_id)
            self.computations.ended(task_id, outcome)

        self.presence = PresenceWatch(
            self.live,
            machine or SimulatedMachine(),
            cpus,
            lambda: slots_taken(replicates.values()),
            held_back,
            clock,
            lambda share: sandbox.engine.set_cpus(tuple(replicates), share),
        )
        confidential = None
        if tee is not None:
            confidential = ConfidentialComputation(
                tee,
                sandbox.engine,
                places,
                rules,
                lambda: self.presence.task_cpus,
                ended,
                check_outcome,
                clock,
            )
        self.stages = all_stages(
            slots,
            rules,
            lambda: self.presence.task_cpus,
            chain,
            sandbox,
            wallet,
            fetcher,
            tunnels,
            results_there,
            keys,
            watcher,
            clock,
            ended,
            confidential,
        )
        runner = parts.stages(self.stages, address, hub, watcher, clock)
        self.shell = ReplicateShell(
            parts.journal(journal), runner, told, clock, tasks, boundary, replicates
        )

        # what the chain says of them, and the pool
        watches = WatchParts.of(
            address,
            rules.claim_grace,
            chain,
            wallet,
            sandbox.room,
            self.shell,
            hub,
            watcher,
            clock,
            boundary,
            held_back,
        )
        held = HeldReplicates(self.shell, watches.chain, sandbox.folders)
        terms = OfferTerms(
            address,
            pool,
            slots,
            has_gpu=bool(gpus),
            frameworks=frozenset() if tee is None else tee.frameworks,
        )
        self.hours = WorkingHours(self.live, clock)
        self.prices = PriceWatch(
            self.live, read_price, clock, boundary, partial(held_back, Hold.PRICE)
        )
        self.choice = TaskChoice(
            self.live, self.hours, lambda: watches.wallet.gas_price, self.prices, clock
        )
        offers = OfferIntake(terms, chain.briefs, held, reports, self.choice, clock, boundary, keys)
        self.member = PoolMember(offers, held, reports, place, places, clock, boundary, tasks)
        told.connect(self.member.tell)
        told.connect(lambda *_: self.presence.slots_changed())
        held_back.connect(self.member.hold)
        self.member.joined.connect(self.feeds.leave_all)
        self.member.joined.connect(lambda: self.computations.tell_again(replicates))
        self.member.followed.connect(self.feeds.follow)
        self.depositor = Depositor(wallet, chain.stake, watcher, watches.wallet.moved)
        self.payouts = Payouts(
            payout_to,
            lambda: self.live.now.payout,
            wallet,
            chain.stake.at_head,
            watches.chain.stake_needed,
            chain.retry,
            payout_journal or MemoryJournal(),
            clock,
            boundary,
            watches.wallet.moved,
        )
        self.sweep = Sweep(self.shell, sandbox.engine, sandbox.folders, boundary, tasks)

        # what whoever serves or simulates the worker takes by name
        self.told, self.boundary, self.reports = told, boundary, reports
        self.retry, self.horizon = chain.retry, chain.horizon
        self.briefs, self.views = chain.briefs, chain.views
        self.engine, self.pull = sandbox.engine, sandbox.pull
        self.folders, self.room = sandbox.folders, sandbox.room
        self.images, self.datasets = sandbox.images, sandbox.datasets
        self.wallet_watch, self.head_watch = watches.wallet, watches.heads
        self._chain_watch, self._tasks, self._hub = watches.chain, tasks, hub
        self._follow_events = partial(watches.chain.follow_events, watcher, pool)

    def follow(self, first: BlockNumber) -> None:
        """Look at all that is held, and from now on at what a block brings.

        Args:
            first: From which on events are followed: seen before the journal was read.
        """
        self._chain_watch.look_at_all()
        self.choice.look(self.member)
        for keep in (
            self._keep_choosing,
            self.presence.keep_looking,
            self.images.keep_clean,
            self.datasets.keep_clean,
            self._chain_watch.keep_looking,
            partial(self._follow_events, first),
            self.head_watch.follow_heads,
            self.head_watch.watch_for_heads,
            self.payouts.keep_paying,
            self.prices.keep_reading,
        ):
            self._tasks.create_task(keep())

    async def _keep_choosing(self) -> None:
        """Follow what the operator wants, with what the hub says of how long tasks may compute."""
        categories = await self.retry.ask(self._hub.categories)
        self.hours.learn(each.time_ref for each in categories.values())
        await self.choice.keep_telling(self.member)
