"""The scheduler put together, over its ports: what wakes whom.

::

    chain ──events──> chain feed ──views──> engine ──effects──> transactions ────────────> chain
                                            ▲   └────effects──> worker sessions ─messages─> workers
                         placement ──plan───┘                    ▲
                                            workers ──reports────┘

Nothing is decided or done here. Parts are made here alone (ADR 0026), for the program, which gives
them the world (``scheduler.main``), and for simulations. Each module makes one group, which lists
its parts; a group stands on those before it:

========================  ========================================================================
``common``                tasks, workers and deals as they are known; the time; asking again
``money``                 the owner's: coin for gas, RLC to lock, what it earned
``reputations``           who has proved what
``sending``               transactions of tasks, and looking before and after
``sessions``              workers: how they come, what is said to them
``outputs``               what apps print, for those who read it
``owner``                 what the pool's owner decides of single workers
``sale``                  what may be sold, at which price, in which markets
``purchases``             those that the pool sends for requesters
``deals``                 what was bought, and what is told of it
``placing``               who is given what; when tasks are woken, checked and forgotten
``feed``                  what the chain says, brought to whom it concerns
``start``                 the order of a start
========================  ========================================================================

Listeners hear in the order in which they are made (ADR 0032): so the order of groups matters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from fastapi import APIRouter
from starlette.routing import BaseRoute

from poolhand.domain.deal import Deal
from poolhand.domain.ids import Address, DealId
from poolhand.domain.market.profiles import PoolProfile
from poolhand.domain.messages import pool_domain
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.attestation import QuoteVerifier
from poolhand.ports.chain import Hub, PostingSender, Watcher
from poolhand.ports.clock import Clock, Entropy
from poolhand.ports.files import ResultsShelf
from poolhand.ports.journal import EventLog
from poolhand.ports.lead import UNFENCED, Fence
from poolhand.ports.output_spool import OutputSpool
from poolhand.ports.signer import Signer
from poolhand.ports.tee import TeeChallenges
from poolhand.scheduler.api.core_tasks import CORE_NAME, CoreTasks, core_routes
from poolhand.scheduler.api.dashboard import DashboardTeller, dashboard_routes
from poolhand.scheduler.api.deals import deal_routes, find_deal
from poolhand.scheduler.api.drain import drain_routes
from poolhand.scheduler.api.health import HealthTeller, health_routes
from poolhand.scheduler.api.joining import join_routes
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.api.orders import order_routes
from poolhand.scheduler.api.owner_session import session_routes, sign_in_routes
from poolhand.scheduler.api.owner_workers import owner_worker_routes
from poolhand.scheduler.api.purchases import purchase_routes
from poolhand.scheduler.api.selling import pool_config, selling_routes
from poolhand.scheduler.api.statuses import status_routes
from poolhand.scheduler.api.summary import summary_routes
from poolhand.scheduler.api.task_output import (
    OutputReaders,
    output_routes,
    reader_sign_in_routes,
)
from poolhand.scheduler.api.tasks import task_routes
from poolhand.scheduler.api.workers import worker_routes
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.deals import DealParts
from poolhand.scheduler.composition.feed import chain_feed
from poolhand.scheduler.composition.money import MoneyParts
from poolhand.scheduler.composition.outputs import OutputParts
from poolhand.scheduler.composition.owner import OwnerParts
from poolhand.scheduler.composition.placing import PlacingParts
from poolhand.scheduler.composition.purchases import PurchaseParts
from poolhand.scheduler.composition.reputations import ReputationParts
from poolhand.scheduler.composition.sale import SaleParts, market_sale
from poolhand.scheduler.composition.sending import SendingParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.scheduler.composition.start import start_up
from poolhand.scheduler.composition.tee import tee_proofs
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.database_disk import disk_of
from poolhand.scheduler.effects import Effects
from poolhand.scheduler.enclave_challenges import EnclaveChallenges
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.joining.join_files import JoinPlace, JoinTeller
from poolhand.scheduler.market_stall import MarketStall
from poolhand.scheduler.owner_door import OwnerDoor
from poolhand.scheduler.owner_metrics import measure_for_owner
from poolhand.scheduler.owner_orders import drain_order_routes
from poolhand.scheduler.owner_sessions import OwnerSessions
from poolhand.scheduler.page.serving import OwnerPage, frame_routes, part_routes
from poolhand.scheduler.page.task_page import task_page_routes
from poolhand.scheduler.reader_sessions import ReaderSessions
from poolhand.scheduler.waiting_tasks import WaitingTasks
from poolhand.settings.pool import PoolSettings
from poolhand.transport.attempts import Attempts
from poolhand.transport.bearer import behind_token
from poolhand.transport.list_writer import ListWriter
from poolhand.transport.market_client import MarketClient
from poolhand.transport.own_site import OwnSite
from poolhand.transport.sign_ins import SignIns
from poolhand.wire.handshake import normal_url
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
        exclusion_log: Whom the owner keeps from work; None forgets at a restart.
        tally_log: What each worker has done; None forgets at a restart.
        earning_log: What the owner earned; None reads all of it again at a restart.
        spool: What apps printed; None forgets at a restart.
        verifier: Of workers' quotes; None: there are no confidential tasks.
        challenges: The secret management service; None: there are no confidential tasks.
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
        exclusion_log: EventLog | None = None,
        tally_log: EventLog | None = None,
        earning_log: EventLog | None = None,
        spool: OutputSpool | None = None,
        verifier: QuoteVerifier | None = None,
        challenges: TeeChallenges | None = None,
    ) -> None:
        self._settings, self._facts, self._owner = settings, hub.facts, owner

        # the groups, in the order in which their parts hear of a change
        common = CommonParts.on(journal, clock, boundary)
        money = MoneyParts.of(
            owner.address, settings, common, hub, watcher, sender, clock, earning_log
        )
        gas = money.gas_budget
        proved = ReputationParts.on(reputations, settings, common, clock)
        sending = SendingParts.of(settings, common, gas, hub, sender, clock)
        exclusions = Exclusions(exclusion_log)
        sessions = SessionParts.of(
            owner, settings, common, proved, hub, clock, entropy, fence, tell, exclusions
        )
        proofs = tee_proofs(verifier, settings, common, sessions, hub.facts, clock, entropy)
        outputs = OutputParts.of(common, sessions, clock, spool)
        owners = OwnerParts.of(
            exclusions, common, proved, sessions, clock, tally_log, simulated=tell is not None
        )
        confidential = ConfidentialSale(
            challenges, clock.steady, accepts_simulated=settings.simulated_tee is not None
        )
        sale = SaleParts.of(
            owner, settings, common, money, proved, hub, entropy, drain_log, confidential
        )
        purchases = PurchaseParts.on(
            purchase_log,
            settings,
            common,
            gas,
            sale,
            sender,
            hub,
            markets,
            clock,
            fence,
            confidential,
        )
        stalls = [
            MarketStall(each, owner, settings.workerpool, clock, fence, profile) for each in markets
        ]
        shown = market_sale(
            owner,
            settings,
            common,
            money,
            sale,
            stalls,
            hub,
            sender,
            entropy,
            fence,
            sale_log,
            confidential,
        )
        enclaves = EnclaveChallenges(common.engine, challenges, common.time.now, clock)
        bought = DealParts.of(
            settings, common, sale, shown, hub, lambda: gas.price, enclaves, confidential
        )
        placing = PlacingParts.of(
            settings, common, gas, proved, sending, sessions, bought.deals, clock, entropy, shelf
        )
        Effects(
            common.engine,
            sending.transactions,
            placing.check_queue,
            sessions.workers,
            sessions.mail,
            enclaves,
        )
        sessions.workers.adopted.connect(sending.looks.ask)
        feed = chain_feed(settings, common, sending, sessions, bought, placing, hub, watcher)
        self._start_up = start_up(
            settings,
            common,
            money,
            proved,
            sending,
            sessions,
            sale,
            purchases,
            shown,
            placing,
            feed,
            watcher,
            clock,
            owners,
            outputs,
            proofs,
            enclaves,
        )

        # what the API shows, and whoever serves or simulates the pool takes by name
        self.engine, self.settled, self.directory = common.engine, common.settled, common.directory
        self.gas_budget, self.collateral = gas, money.collateral
        self.deposits, self.earnings = money.deposits, money.earnings
        self.outputs = outputs
        self.memory, self.assessor = proved.memory, proved.assessor
        self.open_tasks = proved.open_tasks
        self.transactions = sending.transactions
        self.sessions, self.workers, self.mail = sessions.sockets, sessions.workers, sessions.mail
        self.accounts = sessions.accounts
        self.exclusions, self.owners = exclusions, owners.orders
        self.owners_workers, self.tallies = owners.workers, owners.tallies
        self._drain, self._hub, self._clock, self._entropy = sale.drain, hub, clock, entropy
        self._waiting = WaitingTasks(common.engine, common.time.now)
        self._disk = partial(disk_of, settings.database)
        self.preflight, self.pricing = sale.preflight, sale.pricing
        self.purchases, self.published = purchases.taking, purchases.published
        self.sale = shown
        self.deals, self.drains, self._told = bought.deals, bought.drains, bought
        self.placement, self.deadlines = placing.placement, placing.deadlines
        self.check_queue, self.metrics = placing.check_queue, placing.metrics
        self.chain_feed = feed
        measure_for_owner(
            self.metrics.registry,
            feed,
            self.collateral,
            self.transactions,
            self._waiting,
            exclusions,
            self.tallies,
            self._disk,
            lambda: sale.preflight.takers.slots,
            lambda: common.engine.index.busy,
            lambda: self.earnings.read,
        )
        self._sign_ins = SignIns(CORE_NAME, hub.facts.chain_id, entropy, clock.steady)

    async def run(self, caught_up: Callable[[], None]) -> None:
        """Serve until cancelled; ``caught_up`` is called once, when workers may be let in."""
        await self._start_up.run(caught_up)

    def api(self, url: str) -> tuple[APIRouter, ...]:
        """Return what the public API shows, under an address of the pool."""
        settings, facts = self._settings, self._facts
        config = pool_config(settings, facts, self._owner.address, url)
        place = JoinPlace(facts.chain_id, facts.hub, settings.workerpool, url, settings.worker_rpc)
        known, told = KnownTasks(self.engine, self.settled), self._told
        logs, feeds = self.outputs.logs, self.outputs.feeds
        domain = pool_domain(facts.chain_id, settings.workerpool)
        readers = ReaderSessions(domain, normal_url(url), self._clock, self._entropy)
        allowed = OutputReaders(known, self._find_deal, readers, is_public=settings.public_logs)
        lists = ListWriter()
        return (
            selling_routes(config, self.pricing),
            purchase_routes(self.purchases),
            order_routes(self.sale),
            drain_routes(self.drains),
            summary_routes(told.summary),
            worker_routes(self.directory, self.engine.index, self.placement, lists),
            status_routes(),
            task_routes(known, told.tasks, told.history, lists),
            reader_sign_in_routes(readers, Attempts("signing in", self._clock)),
            output_routes(allowed, feeds, logs),
            core_routes(CoreTasks(known, self._find_deal, logs, feeds, self._sign_ins, url)),
            deal_routes(self.deals, self.settled, known),
            join_routes(config, JoinTeller(place, self._owner), told.summary),
            health_routes(self._health().health, self.metrics.registry),
        )

    def owner_api(self, url: str, token: str) -> tuple[APIRouter | BaseRoute, ...]:
        """Return what the pool's owner alone sees and orders, under an address of the pool.

        Args:
            url: Of the pool.
            token: That stands in the lock of the owner's wallet.
        """
        domain = pool_domain(self._facts.chain_id, self._settings.workerpool)
        sessions = OwnerSessions(
            domain,
            normal_url(url),
            self._owner.address,
            self._read_owner,
            self._clock,
            self._entropy,
        )
        site, dashboard = OwnSite(url), self._dashboard(url)
        known = KnownTasks(self.engine, self.settled)
        page = OwnerPage(dashboard, self.owners_workers, known, self._told.tasks)
        behind = (
            *drain_order_routes(self.drains).routes,
            *owner_worker_routes(self.owners_workers).routes,
            *session_routes(sessions).routes,
            *dashboard_routes(dashboard).routes,
            *part_routes(page),
        )
        door = OwnerDoor(token, sessions, site)
        attempts = Attempts("signing in", self._clock)
        return (
            *frame_routes(),
            *task_page_routes(),
            sign_in_routes(sessions, attempts, site),
            *behind_token(behind, door.authorize, ()),
        )

    def _dashboard(self, url: str) -> DashboardTeller:
        return DashboardTeller(
            pool_config(self._settings, self._facts, self._owner.address, url),
            self._health().health,
            self._told.summary.summary,
            self.engine,
            self.settled,
            self._waiting,
            self._drain,
            self.exclusions,
            self.tallies,
            self.transactions,
            self._disk,
            self._clock,
            lambda: self.earnings.read,
        )

    async def _read_owner(self) -> Address:
        found = await self._hub.workerpool(self._settings.workerpool)
        return self._owner.address if found is None else found.owner

    def _health(self) -> HealthTeller:
        return HealthTeller(
            self.chain_feed,
            self.directory,
            self.engine.index,
            self.placement,
            self.gas_budget,
            self.collateral,
            self.pricing,
        )

    async def _find_deal(self, name: DealId) -> Deal:
        return await find_deal(self.deals, self.settled, name)
