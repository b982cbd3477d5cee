"""The scheduler put together: what wakes whom.

::

    chain ──events──> chain feed ──views──> engine ──effects──> transactions ────────────> chain
                                            ▲   └────effects──> worker sessions ─messages─> workers
                         placement ──plan───┘                    ▲
                                            workers ──reports────┘

Start-up order: replay the journal, catch up with the chain, resume what is outstanding, and only
then let workers in.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import aclosing
from random import Random
from typing import Final

import structlog

from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.task.machine import (
    CheckResult,
    Effect,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
)
from poolhand.domain.task.model import Task
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.files import ResultsShelf
from poolhand.ports.journal import EventLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import Signer
from poolhand.scheduler.admission import Admission
from poolhand.scheduler.api import Office
from poolhand.scheduler.appraisal import Appraisal
from poolhand.scheduler.assessor import Assessor, Memory
from poolhand.scheduler.chain_feed import SHALLOW, ChainFeed
from poolhand.scheduler.check_queue import CheckQueue
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.deadlines import Deadlines
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.ended_replicates import EndedReplicates
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.idle_news import IdleNews
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.open_tasks import OpenTasks
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.owner_orders import OwnerDeposits
from poolhand.scheduler.packer import Packer
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.preflight import Preflight
from poolhand.scheduler.pricing import Pricing
from poolhand.scheduler.result_check import ResultCheck
from poolhand.scheduler.retiring import Retiring
from poolhand.scheduler.returns import Returns
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.takers import Takers
from poolhand.scheduler.task_history import TaskHistories
from poolhand.scheduler.transactions import KINDS, Transactions
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.scheduler.worker_sessions import WorkerSessions
from poolhand.settings.pool import PoolSettings
from poolhand.transport.gate import HubRules
from poolhand.transport.session_hub import SessionHub, WorkerAway
from poolhand.wire.messages import WorkerBound

REWIND: Final = 12
"""Blocks before the newest deal seen that are read again at a start."""

log = structlog.get_logger()


class Scheduler:
    """One pool's scheduler over its ports; ``run`` owns every task it starts.

    Args:
        journal: Of tasks (the sender keeps its own).
        owner: The pool owner's key and wallet.
        shelf: The results service's word on what is stored; None believes workers (simulations).
        tell: Replaces the sessions in simulations: hands a message to a worker, raises WorkerAway.
        reputations: What workers, apps and requesters have proved; None forgets at a restart.
        boundary: Takes what the work on one task raises and nobody expected.
        fence: Asked before workers are told anything.
    """

    def __init__(
        self,
        settings: PoolSettings,
        hub: Hub,
        watcher: Watcher,
        sender: TransactionSender,
        owner: Signer,
        journal: EventLog,
        clock: Clock,
        entropy: Entropy,
        shelf: ResultsShelf | None = None,
        tell: Callable[[Address, WorkerBound], None] | None = None,
        reputations: EventLog | None = None,
        boundary: FaultBoundary | None = None,
        fence: Fence = UNFENCED,
    ) -> None:
        self._settings, self._hub, self._watcher = settings, hub, watcher
        self._sender, self._clock, self._fence = sender, clock, fence
        self.engine, self.directory = Engine(journal, boundary), WorkerDirectory()
        self._outage = chain_outage("the scheduler")
        boundary = self.engine.boundary
        self.gas_budget = GasBudget(
            sender, clock, self._owed, self._gas_changed, self._outage, boundary
        )
        self.collateral = Collateral(hub, owner.address, lambda: settings.prices, self._outage)
        self.deposits = OwnerDeposits(sender, self.gas_budget, self.collateral)
        self.settled = SettledTasks(journal.archive)
        self.metrics = Metrics(
            self.engine, self.directory, self.gas_budget, self.settled, self._idle_workers
        )
        pool, retry = settings.workerpool, ChainRetry(clock, self._outage)
        self.deals = Deals(self.engine, hub, pool, retry, quick=settings.quick_finish)
        self.chain_feed = ChainFeed(self.engine, hub, watcher, pool, self.deals, retry)
        self.task_history = TaskHistories(hub, boundary)
        self.chain_feed.noticed = self.task_history.noticed
        rules = settings.placement
        self.memory = Memory.on(reputations, settings.allowed | settings.trusted)
        deals = self.deals.by_id
        self.assessor = Assessor(self.engine, self.directory, deals, self.memory, rules, self._now)
        self.placement = Placement(
            self.engine,
            self.deals,
            EndedReplicates(self.chain_feed.look, self._touched),
            self.directory,
            self.metrics,
            self.assessor,
            rules,
            Random(entropy.bytes(16)),  # noqa: S311 - chance among equals keeps no secret
            self._now,
            lambda: not self.gas_budget.is_short,
            IdleNews(self._now, self._tell, self._lacks_stake),
        )
        self.deadlines = Deadlines(self.engine, rules, self._woken)
        self.returns = Returns(
            self.engine,
            clock,
            lambda worker: self.directory.get(worker) is not None,
            self._now,
            self.placement.wake,
        )
        self.workers = WorkerSessions(
            self.engine,
            self.directory,
            hub,
            owner,
            self._now,
            self._tell,
            self.placement.wake,
            self._strike,
            self.memory.workers.of,
            Admission(settings.allowed, settings.least_version),
            arrived=self.returns.arrived,
            outage=self._outage,
        )
        self.appraisal = Appraisal(self.directory, self.engine.index, self.workers.appraise)
        checker = ResultCheck(self.deals.by_id, shelf, clock)
        self.check_queue = CheckQueue(self.engine, checker, self._now)
        limits = HubRules(
            sockets_per_address=settings.connections_per_address,
            greetings_per_address=settings.logins_per_address,
            greetings=settings.logins_at_once,
        )
        self.sessions = SessionHub(
            self.workers, clock, entropy, settings.results_url, limits, boundary
        )
        self._hand_over = tell or self.sessions.tell
        facts = hub.facts
        self.open_tasks = OpenTasks(self.engine, deals)
        reads = OrderReads(hub, self._now)
        takers = Takers(self.directory, rules, self._now)
        self.preflight = Preflight(
            settings, reads, owner.address, takers, self.memory, self.open_tasks, self._now
        )
        self.deals.obstacle = self.preflight.obstacle
        self.pricing = Pricing(
            owner,
            order_domain(facts.chain_id, facts.hub),
            settings.workerpool,
            reads,
            entropy,
            settings.prices,
            settings.highest_trust,
            self.preflight,
            self._now,
            lambda: self.gas_budget.complaint,
            lambda: self.collateral.complaint,
        )
        self.deals.bought = self.pricing.bought
        self.retiring = Retiring(self.engine, SHALLOW, self._block, self._is_busy)
        self.engine.left, self.deals.ended = self._left, self.settled.ended
        self._transactions: Transactions | None = None
        self._owner = owner

    def office(self, url: str) -> Office:
        """Return what the public API shows."""
        return Office(
            facts=self._hub.facts,
            workerpool=self._settings.workerpool,
            owner=self._owner.address,
            url=url,
            results_url=self._settings.results_url,
            engine=self.engine,
            chain_feed=self.chain_feed,
            workers=self.directory,
            gas_budget=self.gas_budget,
            task_history=self.task_history,
            pricing=self.pricing,
            collateral=self.collateral,
            preflight=self.preflight,
            metrics=self.metrics,
            placement=self.placement,
            settled=self.settled,
            public_logs=self._settings.public_logs,
            logs=self.workers.logs,
        )

    async def run(self, caught_up: Callable[[], None]) -> None:
        """Serve until cancelled.

        Args:
            caught_up: Called once, when workers may be let in.
        """
        async with asyncio.TaskGroup() as tasks:
            self._transactions = Transactions(
                self.engine,
                self._sender,
                self.gas_budget,
                self._clock,
                tasks,
                self.chain_feed.look,
                self._outage,
                self._packer(),
            )
            self.chain_feed.is_recorded = self._transactions.is_sending
            self.engine.recover()
            self.settled.recover()
            await self.chain_feed.prepare()
            await self.collateral.look()
            self.assessor.recover()
            self.open_tasks.recover()
            self.deadlines.recover()
            self.chain_feed.passed = self._pass_time
            self.engine.troubled, self.deals.known = self._troubled, self.placement.deal_known
            self.directory.changed = self._worker_changed
            self.retiring.recover()
            self.engine.act, self.engine.changed = self._act, self._changed
            tasks.create_task(self.chain_feed.keep_looking())
            self.engine.resume()
            tasks.create_task(self.chain_feed.follow_events(self._first_block()))
            tasks.create_task(self.chain_feed.follow_heads())
            tasks.create_task(self.appraisal.keep_watch(self._watcher))
            tasks.create_task(self.gas_budget.keep_watch(self._watcher))
            tasks.create_task(self.collateral.keep_watch(self._watcher))
            tasks.create_task(self.check_queue.keep_checking())
            tasks.create_task(self.workers.keep_appraising())
            tasks.create_task(self.sessions.run())
            tasks.create_task(self.placement.keep_placing())
            tasks.create_task(self._retire())
            tasks.create_task(self.settled.keep_pruning(self._clock, self._settings.retention))
            tasks.create_task(self.returns.wait())
            self.placement.open()
            caught_up()

    def _packer(self) -> Packer:
        share, confirmations = self._settings.batch_gas_share, self._settings.chain.confirmations
        return Packer(share, confirmations, lambda: self.chain_feed.head)

    async def _retire(self) -> None:
        """With every block, let tasks go whose end is deep enough, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                await self.retiring.passed(head.number)

    def _is_busy(self, task_id: TaskId) -> bool:
        """Whether a transaction of ours for a task is under way."""
        sending = self._transactions.is_sending if self._transactions else None
        return sending is not None and any(sending(task_id, kind) for kind in KINDS.values())

    def _left(self, task: Task) -> None:
        self.settled.left(task)
        self.deadlines.changed(task.facts.task_id)
        self.deals.left(task)

    def _first_block(self) -> BlockNumber:
        """Return where to look for deals: where we stopped, else where the owner says, else now.

        A re-organisation may have moved a deal from above to below where we stopped: what is known
        already is looked at again rather than one overlooked for good.
        """
        if self.engine.cursor is not None:
            return BlockNumber(max(self.engine.cursor - REWIND, 0))
        head = self.chain_feed.head
        newest = head.number if head else BlockNumber(0)
        start = self._settings.start_block
        self.engine.seen(newest if start is None else start)
        return self.engine.cursor or BlockNumber(0)

    def _changed(self, task_id: TaskId) -> None:
        self.assessor.changed(task_id)
        self.open_tasks.changed(task_id)
        self.deadlines.changed(task_id)
        self.retiring.changed(task_id)
        self.placement.changed(task_id)
        for attempt in self.engine.tasks[task_id].attempts:
            self.appraisal.read_soon(attempt.worker)

    def _worker_changed(self, worker: Address) -> None:
        self.preflight.takers.changed(worker)
        self.appraisal.worker_changed(worker)
        self.placement.worker_changed(worker)

    async def _pass_time(self, now: UnixSeconds) -> None:
        await self.deadlines.pass_time(now)
        self.placement.wake()

    def _woken(self, task_id: TaskId) -> None:
        """Go on with a task in which time has passed; one that could not be read is read again."""
        self.placement.touched(task_id)
        if task_id in self.engine.passing:
            self.chain_feed.look([task_id])

    def _troubled(self, task_id: TaskId) -> None:
        if task_id in self.engine.tasks:
            self.deadlines.changed(task_id)
        self.placement.touched(task_id)

    def _touched(self, task_id: TaskId) -> None:
        self.placement.touched(task_id)

    def _idle_workers(self) -> Mapping[IdleReason, int]:
        return self.placement.idle_workers()

    def _lacks_stake(self, worker: Address) -> None:
        self.appraisal.read_soon(worker)

    def _act(self, task: Task, effect: Effect) -> None:
        match effect:
            case SendInitialize() | SendFinalize() | SendReopen() | SendClaim():
                assert self._transactions is not None
                self._transactions.act(task, effect)
            case CheckResult():
                self.check_queue.begin(task, effect)
            case _:  # the journal holds why already
                self._hand(effect.worker, self.workers.message(task, effect))

    def _tell(self, worker: Address, message: WorkerBound) -> None:
        """Tell a worker once the journal holds all that is known now."""

        def told() -> None:
            with self.engine.boundary.around("telling", worker=str(worker)):
                self._hand(worker, message)

        self.engine.after(told)

    def _hand(self, worker: Address, message: WorkerBound) -> None:
        """Hand a message over; a worker that is away is told again when it is back."""
        self._fence.check()
        try:
            self._hand_over(worker, message)
        except WorkerAway as fault:
            log.debug("worker_away", worker=str(worker), cause=str(fault))

    def _strike(self, worker: Address, cause: str) -> None:
        """Count garbage that a worker sent; who sends it again and again has to go for a while."""
        if self.sessions.conduct.strike(worker, cause):
            told = "too many messages that made no sense: update the worker and report the fault"
            self.sessions.drop(worker, "misbehaved", told)

    def _owed(self) -> int:
        """Count the tasks on chain that only we can end."""
        return self.engine.index.owed

    def _block(self) -> BlockNumber:
        head = self.chain_feed.head
        return head.number if head else BlockNumber(0)

    def _gas_changed(self) -> None:
        self.placement.wake()

    def _now(self) -> UnixSeconds:
        head = self.chain_feed.head
        return head.timestamp if head else self._clock.now()
