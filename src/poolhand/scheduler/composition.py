"""The scheduler put together, over its ports: what wakes whom.

::

    chain ──events──> chain feed ──views──> engine ──effects──> transactions ────────────> chain
                                            ▲   └────effects──> worker sessions ─messages─> workers
                         placement ──plan───┘                    ▲
                                            workers ──reports────┘

Nothing is decided or done here. Parts are made here alone (ADR 0026), for the program, which gives
them the world (``scheduler.main``), and for simulations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from random import Random

from fastapi import APIRouter

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.orders.matches_under_way import SendingQuota
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, PostingSender, Watcher
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.files import ResultsShelf
from poolhand.ports.journal import EventLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.signer import Signer
from poolhand.scheduler.account_reads import AccountReads
from poolhand.scheduler.admission import Admission
from poolhand.scheduler.api.core_tasks import NAME, CoreTasks, core_routes
from poolhand.scheduler.api.deals import deal_routes, find_deal
from poolhand.scheduler.api.drain import DrainTeller, drain_routes
from poolhand.scheduler.api.health import HealthTeller, health_routes
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.api.orders import order_routes
from poolhand.scheduler.api.purchases import purchase_routes
from poolhand.scheduler.api.selling import pool_config, selling_routes
from poolhand.scheduler.api.statuses import status_routes
from poolhand.scheduler.api.stuck_tasks import StuckTasks
from poolhand.scheduler.api.summary import SummaryTeller, summary_routes
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
from poolhand.scheduler.draining import PoolDrain
from poolhand.scheduler.effects import Effects
from poolhand.scheduler.ended_replicates import EndedReplicates
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.idle_news import IdleNews
from poolhand.scheduler.looks import Looks
from poolhand.scheduler.mail import Mail
from poolhand.scheduler.market_sale import MarketSale
from poolhand.scheduler.market_stall import MarketStall
from poolhand.scheduler.metrics import Metrics
from poolhand.scheduler.on_offer import PoolOffer
from poolhand.scheduler.open_tasks import OpenTasks
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.owner_orders import OwnerDeposits
from poolhand.scheduler.packer import Packer
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.plan_due import PlanDue
from poolhand.scheduler.preflight import Preflight
from poolhand.scheduler.pricing import Pricing
from poolhand.scheduler.purchase_log import PurchaseLog
from poolhand.scheduler.purchases_under_way import PurchasesUnderWay
from poolhand.scheduler.result_check import ResultCheck
from poolhand.scheduler.retiring import Retiring
from poolhand.scheduler.returns import Returns
from poolhand.scheduler.sale_book import SaleBook
from poolhand.scheduler.self_watch import SelfWatch
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.signed_purchases import SignedPurchases
from poolhand.scheduler.start_up import StartUp
from poolhand.scheduler.takers import Takers
from poolhand.scheduler.task_history import TaskHistories
from poolhand.scheduler.transactions import Transactions
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.scheduler.worker_sessions import WorkerSessions
from poolhand.settings.pool import PoolSettings
from poolhand.transport.gate import HubRules
from poolhand.transport.market_client import MarketClient
from poolhand.transport.session_hub import SessionHub
from poolhand.transport.sign_ins import SignIns
from poolhand.wire.messages import WorkerBound


class Scheduler:
    """One pool's scheduler: its parts, each whole when it is made; ``run`` owns what they start.

    Args:
        journal: Of tasks (the sender keeps its own).
        owner: The pool owner's key and wallet.
        shelf: The results service's word on what is stored; None believes workers (simulations).
        tell: Replaces the sessions in simulations: hands a message to a worker, raises WorkerAway.
        reputations: What workers, apps and requesters have proved; None forgets at a restart.
        boundary: Takes what the work on one task raises and nobody expected.
        fence: Asked before workers are told anything.
        markets: Where the pool is for sale.
        sale_log: What was signed for them; None forgets at a restart.
        profile: What the pool says of itself there.
        drain_log: Whether the pool drains; None forgets at a restart.
        purchase_log: What was sent for requesters; None forgets at a restart.
    """

    def __init__(
        self,
        settings: PoolSettings,
        hub: Hub,
        watcher: Watcher,
        sender: PostingSender,
        owner: Signer,
        journal: EventLog,
        clock: Clock,
        entropy: Entropy,
        shelf: ResultsShelf | None = None,
        tell: Callable[[Address, WorkerBound], None] | None = None,
        reputations: EventLog | None = None,
        boundary: FaultBoundary | None = None,
        fence: Fence = UNFENCED,
        markets: Sequence[MarketClient] = (),
        sale_log: EventLog | None = None,
        profile: PoolProfile | None = None,
        drain_log: EventLog | None = None,
        purchase_log: EventLog | None = None,
    ) -> None:
        self._settings, self._facts, self._owner = settings, hub.facts, owner.address
        self.engine, self.directory = Engine(journal, boundary), WorkerDirectory()
        self._sign_ins = SignIns(NAME, hub.facts.chain_id, entropy, clock.now)
        time, due, rules = ChainTime(clock), PlanDue(), settings.placement
        outage, boundary, now = chain_outage("the scheduler"), self.engine.boundary, time.now
        retry, deals = ChainRetry(clock, outage), dict[DealId, Deal]()
        self.settled = SettledTasks(journal.archive)
        self.engine.left.connect(self.settled.left)

        # what it costs, and who has proved what
        self.gas_budget = GasBudget(
            sender, clock, lambda: self.engine.index.owed, due.wake, outage, boundary
        )
        self.collateral = Collateral(hub, owner.address, lambda: settings.prices, outage)
        self.deposits = OwnerDeposits(sender, self.gas_budget, self.collateral)
        self.metrics = Metrics(self.engine, self.directory, self.gas_budget, self.settled)
        self.memory = Memory.on(reputations, settings.allowed | settings.trusted)
        self.self_watch = SelfWatch(clock, rules.take_up)
        self.assessor = Assessor(
            self.engine, self.directory, deals, self.memory, rules, now, self.self_watch.is_sure
        )
        self.open_tasks = OpenTasks(self.engine, deals)

        # transactions, and what has become of them
        looks = Looks(self.engine, hub, retry)
        packer = Packer(settings.batch_gas_share, settings.chain.confirmations, lambda: time.head)
        self.transactions = Transactions(
            self.engine, sender, self.gas_budget, clock, looks.look, outage, packer
        )

        # workers: their sessions, what is said to them, what the chain says of them
        self.accounts = AccountReads(self.directory, hub, boundary, outage)
        self.appraisal = Appraisal(self.directory, self.engine, self.accounts.read, due.wake)
        self.sessions = SessionHub(
            clock, entropy, settings.results_url, session_limits(settings), boundary
        )
        self.sessions.stood_still.connect(self.self_watch.stood_still)
        self.mail = Mail(self.engine, tell or self.sessions.tell, fence)
        self.workers = WorkerSessions(
            self.engine,
            self.directory,
            owner,
            now,
            self.mail.tell,
            due.wake,
            self.sessions.strike,
            self.memory.workers.of,
            Admission(settings.allowed, settings.least_version),
        )
        returns = Returns(self.engine, clock, self.directory.has, now, due.wake)
        self.workers.arrived.connect(self.appraisal.arrived)
        self.workers.arrived.connect(returns.arrived)

        # what is sold, and what was bought
        domain = hub.facts.domain
        self.drain = PoolDrain(drain_log)
        reads, takers = OrderReads(hub, now), Takers(self.directory, rules, now)
        self.preflight = Preflight(
            settings, reads, owner.address, takers, self.memory, self.open_tasks, now
        )
        self.pricing = Pricing(
            owner,
            domain,
            settings.workerpool,
            reads,
            entropy,
            settings.prices,
            settings.highest_trust,
            self.preflight,
            now,
            lambda: self.gas_budget.complaint,
            lambda: self.collateral.complaint,
            lambda: self.drain.why,
            settings.purchase_fee,
        )
        sent = PurchasesUnderWay(
            self.engine,
            sender,
            self.gas_budget,
            SendingQuota(settings.purchases_per_hour, settings.all_purchases_per_hour),
            PurchaseLog(purchase_log),
            retry,
            now,
        )
        self.purchases = SignedPurchases(
            settings,
            sender,
            domain,
            reads,
            self.pricing,
            self.preflight,
            self.gas_budget,
            sent,
            now,
            lambda: time.head,
        )
        self._summary = SummaryTeller(
            self.engine.index, self.settled, lambda: takers.slots, reads, settings.workerpool, now
        )
        self.sale = MarketSale(
            hub,
            owner,
            sender,
            lambda: self.gas_budget.reserve,
            settings.workerpool,
            domain,
            SaleBook(sale_log, domain),
            [
                MarketStall(each, owner, settings.workerpool, clock, fence, profile)
                for each in markets
            ],
            PoolOffer(
                settings.prices,
                self.preflight,
                lambda: len(self.engine.index.open),
                lambda: self.drain.ending,
                lambda: self.drain.why,
                lambda: self.gas_budget.complaint,
                lambda: self.collateral.complaint,
            ),
            entropy,
            outage,
            boundary,
            fence,
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
        self._teller = TaskTeller(self.engine, self.deals, self.preflight)
        self.drains = DrainTeller(self.drain, self.sale, StuckTasks(self.engine, self._teller, now))

        # who is given what, and when tasks are woken, checked and forgotten
        self.placement = Placement(
            self.engine,
            self.deals,
            EndedReplicates(looks.look),
            self.directory,
            self.metrics,
            self.assessor,
            rules,
            Random(entropy.bytes(16)),  # noqa: S311 - chance among equals keeps no secret
            now,
            lambda: not self.gas_budget.is_short,
            IdleNews(now, self.mail.tell, self.appraisal.read_soon),
            due,
        )
        self.deadlines = Deadlines(self.engine, rules, due, self.self_watch.is_sure)
        self.deadlines.woken.connect(self.placement.touched)
        self.deadlines.woken.connect(looks.woken)
        retiring = Retiring(self.engine, SHALLOW, time.block, self.transactions.is_busy)
        self.check_queue = CheckQueue(self.engine, ResultCheck(deals, shelf, clock), now)
        Effects(self.engine, self.transactions, self.check_queue, self.workers, self.mail)
        self.task_history = TaskHistories(hub, boundary)
        self.chain_feed = ChainFeed(
            self.engine,
            hub,
            watcher,
            settings.workerpool,
            self.deals,
            looks,
            time,
            retry,
            noticed=self.task_history.noticed,
            is_recorded=self.transactions.is_sending,
            passed=self.deadlines.pass_time,
        )
        self._start_up = StartUp(
            replay=(
                self.engine.recover,
                self.settled.recover,
                self.sale.book.recover,
                self.drain.recover,
                sent.recover,
            ),
            catch_up=(self.chain_feed.prepare, self.collateral.look, sent.catch_up),
            recover=(
                self.assessor.recover,
                self.open_tasks.recover,
                self.deadlines.recover,
                retiring.recover,
            ),
            keep=(
                looks.keep_looking,
                self.transactions.keep_sending,
                sent.keep_following,
                sent.keep_telling,
                partial(self.chain_feed.follow_events, settings.start_block),
                self.chain_feed.follow_heads,
                partial(self.appraisal.keep_watch, watcher),
                partial(self.gas_budget.keep_watch, watcher),
                partial(self.collateral.keep_watch, watcher),
                self.check_queue.keep_checking,
                self.appraisal.keep_reading_newcomers,
                partial(self.sessions.run, self.workers),
                self.placement.keep_placing,
                partial(retiring.keep_watch, watcher),
                partial(self.sale.keep, watcher),
                partial(self.settled.keep_pruning, clock, settings.retention),
                returns.wait,
            ),
            resume=(self.engine.resume, self.placement.open),
        )

    async def run(self, caught_up: Callable[[], None]) -> None:
        """Serve until cancelled; ``caught_up`` is called once, when workers may be let in."""
        await self._start_up.run(caught_up)

    def api(self, url: str) -> tuple[APIRouter, ...]:
        """Return what the public API shows, under an address of the pool."""
        config = pool_config(self._settings, self._facts, self._owner, url)
        known, index = KnownTasks(self.engine, self.settled), self.engine.index
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
            purchase_routes(self.purchases),
            order_routes(self.sale),
            drain_routes(self.drains),
            summary_routes(self._summary),
            worker_routes(self.directory, index, self.placement),
            status_routes(),
            task_routes(known, self._teller, self.task_history),
            log_routes(known, self.workers.logs if self._settings.public_logs else None),
            core_routes(
                CoreTasks(
                    known,
                    lambda name: find_deal(self.deals, self.settled, name),
                    self.workers.logs,
                    self._sign_ins,
                    url,
                )
            ),
            deal_routes(self.deals, self.settled, known),
            health_routes(health.health, self.metrics.registry),
        )


def session_limits(settings: PoolSettings) -> HubRules:
    """Return what workers may take of the pool before and while they are let in."""
    return HubRules(
        sockets_per_address=settings.connections_per_address,
        greetings_per_address=settings.logins_per_address,
        greetings=settings.logins_at_once,
    )
