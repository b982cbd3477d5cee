"""Purchases that their requesters only sign: the pool sends them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from poolhand.domain.orders.matches_under_way import SendingQuota
from poolhand.ports.chain import Hub, PostingSender
from poolhand.ports.clock import Clock
from poolhand.ports.journal import EventLog
from poolhand.ports.lead import Fence
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.sale import SaleParts
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.market_requests import MarketRequests
from poolhand.scheduler.purchase_log import PurchaseLog
from poolhand.scheduler.purchases_under_way import PurchasesUnderWay
from poolhand.scheduler.signed_purchases import SignedPurchases
from poolhand.settings.pool import PoolSettings
from poolhand.transport.market_client import MarketClient


@dataclass(frozen=True, slots=True)
class PurchaseParts:
    """Taking them, and following them to their deals.

    Attributes:
        under_way: Those that were sent, over restarts.
        taking: Takes what is handed in, or says why not.
        published: Hands in what was published in markets, one for each.
    """

    under_way: PurchasesUnderWay
    taking: SignedPurchases
    published: tuple[MarketRequests, ...]

    @classmethod
    def on(
        cls,
        journal: EventLog | None,
        settings: PoolSettings,
        common: CommonParts,
        gas_budget: GasBudget,
        sale: SaleParts,
        sender: PostingSender,
        hub: Hub,
        markets: Sequence[MarketClient],
        clock: Clock,
        fence: Fence,
        confidential: ConfidentialSale,
    ) -> PurchaseParts:
        """Make them, on the journal of purchases; None forgets at a restart."""
        time, domain = common.time, hub.facts.domain
        under_way = PurchasesUnderWay(
            common.engine,
            sender,
            gas_budget,
            SendingQuota(settings.purchases_per_hour, settings.all_purchases_per_hour),
            PurchaseLog(journal),
            common.retry,
            time.now,
            hub.deal,
        )
        taking = SignedPurchases(
            settings,
            sender,
            domain,
            sale.reads,
            sale.pricing,
            sale.preflight,
            gas_budget,
            under_way,
            time.now,
            lambda: time.head,
        )
        serves = settings.sends_purchases and settings.matches_requests
        published = [
            MarketRequests(
                settings,
                each,
                domain,
                sale.reads,
                sale.pricing,
                confidential,
                taking,
                lambda: time.head,
                clock,
                common.engine.boundary,
                fence,
            )
            for each in (markets if serves else ())
        ]
        return cls(under_way, taking, tuple(published))
