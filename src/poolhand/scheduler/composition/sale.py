"""What the pool sells: to whoever asks, and in markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolhand.ports.chain import Hub, TransactionSender
from poolhand.ports.clock import Entropy
from poolhand.ports.journal import EventLog
from poolhand.ports.lead import Fence
from poolhand.ports.signer import Signer
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.money import MoneyParts
from poolhand.scheduler.composition.reputations import ReputationParts
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.draining import PoolDrain
from poolhand.scheduler.market_sale import MarketSale
from poolhand.scheduler.market_stall import MarketStall
from poolhand.scheduler.on_offer import PoolOffer
from poolhand.scheduler.order_reads import OrderReads
from poolhand.scheduler.preflight import Preflight
from poolhand.scheduler.pricing import Pricing
from poolhand.scheduler.sale_book import SaleBook
from poolhand.scheduler.takers import Takers
from poolhand.settings.pool import PoolSettings


@dataclass(frozen=True, slots=True)
class SaleParts:
    """What may be sold, and at which price.

    Attributes:
        drain: Whether the pool sells at all.
        reads: What the chain says of orders.
        takers: Which connected workers could take a task.
        preflight: Whether a purchase could be served.
        pricing: Signs orders for whoever asks.
    """

    drain: PoolDrain
    reads: OrderReads
    takers: Takers
    preflight: Preflight
    pricing: Pricing

    @classmethod
    def of(
        cls,
        owner: Signer,
        settings: PoolSettings,
        common: CommonParts,
        money: MoneyParts,
        proved: ReputationParts,
        hub: Hub,
        entropy: Entropy,
        drain_log: EventLog | None,
        confidential: ConfidentialSale,
    ) -> SaleParts:
        """Make them."""
        now, drain = common.time.now, PoolDrain(drain_log)
        reads, takers = OrderReads(hub, now), Takers(common.directory, settings.placement, now)
        preflight = Preflight(
            settings, reads, owner.address, takers, proved.memory, proved.open_tasks, now
        )
        pricing = Pricing(
            owner,
            hub.facts.domain,
            settings.workerpool,
            reads,
            entropy,
            settings.prices,
            settings.highest_trust,
            preflight,
            now,
            confidential,
            lambda: money.gas_budget.shortage,
            lambda: money.collateral.shortage,
            lambda: drain.why,
            settings.purchase_fee,
        )
        return cls(drain, reads, takers, preflight, pricing)


def market_sale(
    owner: Signer,
    settings: PoolSettings,
    common: CommonParts,
    money: MoneyParts,
    sale: SaleParts,
    stalls: Sequence[MarketStall],
    hub: Hub,
    sender: TransactionSender,
    entropy: Entropy,
    fence: Fence,
    sale_log: EventLog | None,
    confidential: ConfidentialSale,
) -> MarketSale:
    """Make what keeps the pool's orders in markets."""
    domain = hub.facts.domain
    return MarketSale(
        hub,
        owner,
        sender,
        lambda: money.gas_budget.reserve,
        settings.workerpool,
        domain,
        SaleBook(sale_log, domain),
        stalls,
        _on_offer(settings, common, money, sale, confidential),
        lambda tag: confidential.salt(tag, entropy),
        common.outage,
        common.engine.boundary,
        fence,
    )


def _on_offer(
    settings: PoolSettings,
    common: CommonParts,
    money: MoneyParts,
    sale: SaleParts,
    confidential: ConfidentialSale,
) -> PoolOffer:
    """Make what says how much may be on offer in markets."""
    engine, drain = common.engine, sale.drain
    return PoolOffer(
        settings.prices,
        sale.preflight,
        confidential,
        lambda: len(engine.index.open),
        lambda: drain.ending,
        lambda: drain.why,
        lambda: money.gas_budget.shortage,
        lambda: money.collateral.shortage,
    )
