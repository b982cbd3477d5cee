"""The worker put together, over its ports.

Nothing is decided or done here. Parts are made here alone (ADR 0026), for the program, which gives
them the world (``worker.main``), and for simulations.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.replicate.machine import Action, Replicate, Report
from poolhand.domain.signal import Signal
from poolhand.domain.units import BlockNumber
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock
from poolhand.ports.files import Fetcher, ResultsClient
from poolhand.ports.journal import Journal
from poolhand.ports.runtime import ContainerRuntime
from poolhand.worker.allowed_places import AllowedPlaces
from poolhand.worker.app_engine import AppEngine, labels_of
from poolhand.worker.briefs import Briefs
from poolhand.worker.chain_watch import ChainWatch
from poolhand.worker.computations import Computations
from poolhand.worker.deposit import Depositor
from poolhand.worker.disk_watch import DiskRoom, DiskWatch
from poolhand.worker.head_watch import HeadWatch
from poolhand.worker.held_replicates import HeldReplicates
from poolhand.worker.horizon import Horizon
from poolhand.worker.offers import OfferIntake, OfferTerms
from poolhand.worker.parts import WorkerParts
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.reports import PoolLink, PoolReports
from poolhand.worker.results_place import ResultsPlace
from poolhand.worker.shell import ReplicateShell
from poolhand.worker.stages import Stages
from poolhand.worker.stages.check import CheckStage
from poolhand.worker.stages.claim import ClaimStage
from poolhand.worker.stages.compute import ComputeStage
from poolhand.worker.stages.contribute import ContributeStage
from poolhand.worker.stages.download import AppStage, DataStage, ImagePull
from poolhand.worker.stages.reveal import RevealStage
from poolhand.worker.stages.stake import StakeLook
from poolhand.worker.stages.upload import UploadStage
from poolhand.worker.standing import Hold
from poolhand.worker.sweep import Sweep
from poolhand.worker.task_folders import TaskFolders
from poolhand.worker.task_rules import Rules
from poolhand.worker.task_views import TaskViews
from poolhand.worker.wallet_watch import WalletWatch
from poolhand.worker.worker_wallet import WorkerWallet

RETRY_SECONDS: Final = 2.0
"""Pause between two tries to reach a chain that does not answer."""

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
        parts: WorkerParts = HONEST,
    ) -> None:
        outage, replicates = chain_outage("the worker"), dict[TaskId, Replicate]()
        self.retry = ChainRetry(clock, outage, RETRY_SECONDS)
        self.horizon = Horizon()
        self.reports = PoolReports(parts.link(link))
        self.computations = Computations(self.reports.logs, remembered, log_output=rules.log_output)

        # what the stages work with
        self.briefs = Briefs(hub, watcher, self.retry)
        self.views = TaskViews(address, hub, watcher, self.retry)
        self.wallet = WorkerWallet(address, parts.sender(sender), replicates)
        self.stake = StakeLook(address, hub, watcher, self.retry, self.horizon, clock)
        self.engine = AppEngine(runtime, name, labels_of(address, base), clock)
        self.folders, self.room = TaskFolders(base), DiskRoom(base, clock)
        pull = self.pull = ImagePull(self.engine, places, rules)

        async def results_there() -> ResultsClient:
            return parts.results(await results())

        self.stages = Stages(
            {
                Action.DOWNLOAD_APP: AppStage(self.briefs, pull, clock),
                Action.DOWNLOAD_DATA: DataStage(self.briefs, self.folders, fetcher, rules, clock),
                Action.COMPUTE: ComputeStage(
                    self.briefs,
                    self.folders,
                    self.engine,
                    pull,
                    rules,
                    self.computations.ended,
                    clock,
                ),
                Action.CHECK: CheckStage(self.briefs, self.views, self.stake, clock),
                Action.CONTRIBUTE: ContributeStage(
                    self.briefs, self.views, self.stake, self.wallet, watcher, self.retry, clock
                ),
                Action.REVEAL: RevealStage(self.views, self.wallet, self.retry, clock),
                Action.UPLOAD: UploadStage(results_there, self.folders, clock),
                Action.CLAIM: ClaimStage(self.views, self.wallet, self.retry, clock),
            },
            self.room,
            self.engine,
            self.folders,
            clock,
            slots,
        )

        # the replicates, what the chain says of them, and the pool
        told = Signal[[TaskId, Replicate, tuple[Report, ...]]]()
        held_back = Signal[[Hold, str | None]]()
        self.shell = ReplicateShell(
            parts.journal(journal),
            parts.stages(self.stages, address, hub, watcher, clock),
            told,
            clock,
            tasks,
            boundary,
            replicates,
        )
        self.wallet_watch = WalletWatch(
            self.wallet, hub, self.shell, clock, boundary, partial(held_back, Hold.GAS)
        )
        self.chain_watch = ChainWatch(
            address, hub, self.shell, self.horizon, clock, boundary, outage, rules.claim_grace
        )
        self.head_watch = HeadWatch(
            watcher,
            self.chain_watch,
            self.wallet_watch,
            DiskWatch(self.room, partial(held_back, Hold.DISK)),
            self.horizon,
            clock,
            boundary,
            outage,
            partial(held_back, Hold.CHAIN),
        )
        held = HeldReplicates(self.shell, self.chain_watch, self.folders)
        terms = OfferTerms(address, pool, slots)
        offers = OfferIntake(terms, self.briefs, held, self.reports, clock, boundary)
        self.member = PoolMember(offers, held, self.reports, place, places, clock, boundary, tasks)
        told.connect(self.member.tell)
        held_back.connect(self.member.hold)
        self.depositor = Depositor(self.wallet, self.stake, watcher, self.wallet_watch.deposited)
        self.sweep = Sweep(self.shell, self.engine, self.folders, boundary, tasks)
        self._follow_events = partial(self.chain_watch.follow_events, watcher, pool)
        self._tasks = tasks

    def follow(self, first: BlockNumber) -> None:
        """Look at all that is held, and from now on at what a block brings.

        Args:
            first: From which on events are followed: seen before the journal was read.
        """
        self.chain_watch.look_at_all()
        for keep in (
            self.chain_watch.keep_looking,
            partial(self._follow_events, first),
            self.head_watch.follow_heads,
            self.head_watch.watch_for_heads,
        ):
            self._tasks.create_task(keep())
