"""What was bought, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from poolhand.domain.units import Wei
from poolhand.ports.chain import Hub
from poolhand.scheduler.api.drain import DrainTeller
from poolhand.scheduler.api.stuck_tasks import StuckTasks
from poolhand.scheduler.api.summary import SummaryTeller
from poolhand.scheduler.api.task_news import TaskTeller
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.sale import SaleParts
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.enclave_challenges import EnclaveChallenges
from poolhand.scheduler.market_sale import MarketSale
from poolhand.scheduler.task_history import TaskHistories
from poolhand.settings.pool import PoolSettings


@dataclass(frozen=True, slots=True)
class DealParts:
    """Deals, and who answers questions about them.

    Attributes:
        deals: The pool's, each read from the chain once.
        tasks: Tells how a task stands.
        history: Tells what the hub's events say of a task.
        summary: Tells what the pool does, in figures.
        drains: Tells how a drain stands, and takes the owner's orders.
    """

    deals: Deals
    tasks: TaskTeller
    history: TaskHistories
    summary: SummaryTeller
    drains: DrainTeller

    @classmethod
    def of(
        cls,
        settings: PoolSettings,
        common: CommonParts,
        sale: SaleParts,
        markets: MarketSale,
        hub: Hub,
        gas_price: Callable[[], Wei | None],
        enclaves: EnclaveChallenges,
        confidential: ConfidentialSale,
    ) -> DealParts:
        """Make them."""
        engine, settled, now = common.engine, common.settled, common.time.now
        pool = settings.workerpool
        deals = Deals(
            engine,
            hub,
            pool,
            common.retry,
            common.known_deals,
            quick=settings.quick_finish,
            obstacle=sale.preflight.obstacle,
            bought=sale.pricing.bought,
            unfit=confidential.obstacle,
            ended=settled.ended,
        )
        simulated = settings.simulated_tee is not None
        tasks = TaskTeller(engine, deals, sale.preflight, enclaves.waiting, simulated=simulated)
        return cls(
            deals,
            tasks,
            TaskHistories(hub, engine.boundary),
            SummaryTeller(
                engine.index,
                settled,
                lambda: sale.takers.slots,
                sale.reads,
                pool,
                now,
                gas_price,
                common.known_deals,
                common.directory,
            ),
            DrainTeller(sale.drain, markets, StuckTasks(engine, tasks, now)),
        )
