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
from collections.abc import Callable
from contextlib import aclosing
from random import Random
from typing import Final

import structlog
from fastapi import APIRouter

from poolhand.domain.deal import Deal
from poolhand.domain.eip712 import order_domain
from poolhand.domain.ids import Address, DealId, TaskId
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, TransactionSender, Watcher
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.files import ResultsShelf
from poolhand.ports.journal import EventLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import Signer
from poolhand.scheduler.account_reads import AccountReads
from poolhand.scheduler.admission import Admission
from poolhand.scheduler.api.deals import deal_routes
from poolhand.scheduler.api.health import HealthTeller, health_routes
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.api.selling import pool_config, selling_routes
from poolhand.scheduler.api.statuses import status_routes
from poolhand.scheduler.api.task_news import TaskTeller
from poolhand.scheduler.api.tasks import log_routes, task_routes
from poolhand.scheduler.api.workers import worker_routes
from poolhand.scheduler.appraisal import Appraisal
from poolhand.scheduler.assessor import Assessor, Memory
from poolhand.scheduler.chain_feed import SHALLOW, ChainFeed
from poolhand.scheduler.chain_time import ChainTime
from poolhand.scheduler.check_queue import CheckQueue
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.deadlines import Deadlines
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.effects import Effects
from poolhand.scheduler.ended_replicates import EndedReplicates
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.idle_news import IdleNews
from poolhand.scheduler.looks import Looks
from poolhand.scheduler.mail import Mail
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.open_tasks import OpenTasks
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.owner_orders import OwnerDeposits
from poolhand.scheduler.packer import Packer
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.plan_due import PlanDue
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
from poolhand.transport.session_hub import SessionHub
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
        self._clock, self._owner, rules = clock, owner, settings.placement
        self.engine, self.directory = Engine(journal, boundary), WorkerDirectory()
        self._time, self._due = ChainTime(clock), PlanDue()
        outage, boundary, now = chain_outage("the scheduler"), self.engine.boundary, self._time.now
        retry, deals = ChainRetry(clock, outage), dict[DealId, Deal]()
        self.settled = SettledTasks(journal.archive)
        self.engine.left.connect(self.settled.left)
        self.gas_budget = GasBudget(
            sender, clock, lambda: self.engine.index.owed, self._due.wake, outage, boundary
        )
        self.collateral = Collateral(hub, owner.address, lambda: settings.prices, outage)
        self.deposits = OwnerDeposits(sender, self.gas_budget, self.collateral)
        self.metrics = Metrics(self.engine, self.directory, self.gas_budget, self.settled)
        self._looks = Looks(self.engine, hub, retry)
        self._transactions = Transactions(
            self.engine,
            sender,
            self.gas_budget,
            clock,
            self._looks.look,
            outage,
            Packer(settings.batch_gas_share, settings.chain.confirmations, lambda: self._time.head),
        )
        self.memory = Memory.on(reputations, settings.allowed | settings.trusted)
        self.assessor = Assessor(self.engine, self.directory, deals, self.memory, rules, now)
        self.open_tasks = OpenTasks(self.engine, deals)
        self._accounts = AccountReads(self.directory, hub, boundary, outage)
        self.appraisal = Appraisal(self.directory, self.engine, self._accounts.read, self._due.wake)
        limits = HubRules(
            sockets_per_address=settings.connections_per_address,
            greetings_per_address=settings.logins_per_address,
            greetings=settings.logins_at_once,
        )
        self.sessions = SessionHub(clock, entropy, settings.results_url, limits, boundary)
        mail = self._mail = Mail(self.engine, tell or self.sessions.tell, fence)
        reads, facts = OrderReads(hub, now), hub.facts
        takers = Takers(self.directory, rules, now)
        self.preflight = Preflight(
            settings, reads, owner.address, takers, self.memory, self.open_tasks, now
        )
        self.pricing = Pricing(
            owner,
            order_domain(facts.chain_id, facts.hub),
            settings.workerpool,
            reads,
            entropy,
            settings.prices,
            settings.highest_trust,
            self.preflight,
            now,
            lambda: self.gas_budget.complaint,
            lambda: self.collateral.complaint,
        )
        self.deals = Deals(
            self.engine,
            hub,
            settings.workerpool,
            retry,
            deals,
            quick=settings.quick_finish,
            obstacle=self.preflight.obstacle,
            bought=self.pricing.bought,
            ended=self.settled.ended,
        )
        self.placement = Placement(
            self.engine,
            self.deals,
            EndedReplicates(self._looks.look),
            self.directory,
            self.metrics,
            self.assessor,
            rules,
            Random(entropy.bytes(16)),  # noqa: S311 - chance among equals keeps no secret
            now,
            lambda: not self.gas_budget.is_short,
            IdleNews(now, mail.tell, self.appraisal.read_soon),
            self._due,
        )
        self.deadlines = Deadlines(self.engine, rules, self._woken)
        self.retiring = Retiring(self.engine, SHALLOW, self._time.block, self._is_busy)
        self.returns = Returns(
            self.engine,
            clock,
            lambda worker: self.directory.get(worker) is not None,
            now,
            self._due.wake,
        )
        self.workers = WorkerSessions(
            self.engine,
            self.directory,
            owner,
            now,
            mail.tell,
            self._due.wake,
            self._strike,
            self.memory.workers.of,
            Admission(settings.allowed, settings.least_version),
            arrived=self._arrived,
        )
        self.check_queue = CheckQueue(self.engine, ResultCheck(deals, shelf, clock), now)
        Effects(self.engine, self._transactions, self.check_queue, self.workers, mail)
        self.task_history = TaskHistories(hub, boundary)
        self.chain_feed = ChainFeed(
            self.engine,
            hub,
            watcher,
            settings.workerpool,
            self.deals,
            self._looks,
            self._time,
            retry,
            noticed=self.task_history.noticed,
            is_recorded=self._transactions.is_sending,
            passed=self._pass_time,
        )

    def api(self, url: str) -> tuple[APIRouter, ...]:
        """Return what the public API shows, under an address of the pool."""
        config = pool_config(self._settings, self._hub.facts, self._owner.address, url)
        known, index = KnownTasks(self.engine, self.settled), self.engine.index
        teller = TaskTeller(self.engine, self.deals, self.preflight)
        health = HealthTeller(
            self.chain_feed,
            self.directory,
            index,
            self.placement,
            self.gas_budget,
            self.collateral,
            self.pricing,
        )
        return (
            selling_routes(config, self.pricing),
            worker_routes(self.directory, index, self.placement),
            status_routes(),
            task_routes(known, teller, self.task_history),
            log_routes(known, self.workers.logs if self._settings.public_logs else None),
            deal_routes(self.deals, self.settled, known),
            health_routes(health.health, self.metrics.registry),
        )

    async def run(self, caught_up: Callable[[], None]) -> None:
        """Serve until cancelled.

        Args:
            caught_up: Called once, when workers may be let in.
        """
        self.engine.recover()
        self.settled.recover()
        async with asyncio.TaskGroup() as tasks:
            await self.chain_feed.prepare()
            await self.collateral.look()
            self.assessor.recover()
            self.open_tasks.recover()
            self.deadlines.recover()
            self.retiring.recover()
            tasks.create_task(self._looks.keep_looking())
            tasks.create_task(self._transactions.keep_sending())
            self.engine.resume()
            tasks.create_task(self.chain_feed.follow_events(self._first_block()))
            tasks.create_task(self.chain_feed.follow_heads())
            tasks.create_task(self.appraisal.keep_watch(self._watcher))
            tasks.create_task(self.gas_budget.keep_watch(self._watcher))
            tasks.create_task(self.collateral.keep_watch(self._watcher))
            tasks.create_task(self.check_queue.keep_checking())
            tasks.create_task(self.appraisal.keep_reading_newcomers())
            tasks.create_task(self.sessions.run(self.workers))
            tasks.create_task(self.placement.keep_placing())
            tasks.create_task(self._retire())
            tasks.create_task(self.settled.keep_pruning(self._clock, self._settings.retention))
            tasks.create_task(self.returns.wait())
            self.placement.open()
            caught_up()

    async def _retire(self) -> None:
        """With every block, let tasks go whose end is deep enough, for ever."""
        async with aclosing(self._watcher.heads()) as heads:  # type: ignore[type-var]
            async for head in heads:
                await self.retiring.passed(head.number)

    def _is_busy(self, task_id: TaskId) -> bool:
        """Whether a transaction of ours for a task is under way."""
        return any(self._transactions.is_sending(task_id, kind) for kind in KINDS.values())

    def _first_block(self) -> BlockNumber:
        """Return where to look for deals: where we stopped, else where the owner says, else now.

        A re-organisation may have moved a deal from above to below where we stopped: what is known
        already is looked at again rather than one overlooked for good.
        """
        if self.engine.cursor is not None:
            return BlockNumber(max(self.engine.cursor - REWIND, 0))
        start = self._settings.start_block
        self.engine.seen(self._time.block() if start is None else start)
        return self.engine.cursor or BlockNumber(0)

    async def _pass_time(self, now: UnixSeconds) -> None:
        await self.deadlines.pass_time(now)
        self._due.wake()

    def _woken(self, task_id: TaskId) -> None:
        """Go on with a task in which time has passed; one that could not be read is read again."""
        self.placement.touched(task_id)
        if task_id in self.engine.passing:
            self._looks.look([task_id])

    def _arrived(self, worker: Address) -> None:
        self.appraisal.arrived(worker)
        self.returns.arrived(worker)

    def _strike(self, worker: Address, cause: str) -> None:
        """Count garbage that a worker sent; who sends it again and again has to go for a while."""
        if self.sessions.conduct.strike(worker, cause):
            told = "too many messages that made no sense: update the worker and report the fault"
            self.sessions.drop(worker, "misbehaved", told)
