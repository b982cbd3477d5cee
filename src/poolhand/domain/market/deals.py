"""Deals and categories as a market tells them: what the chain fixed, and where it stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId, TxHash
from poolhand.domain.market_events import CategoryCreated, OrdersMatched
from poolhand.domain.units import BlockNumber, NanoRlc, UnixSeconds

MOST_PAST_PRICES: Final = 100
"""How many deals a price history tells."""


@dataclass(frozen=True, slots=True)
class MarketDeal:
    """A deal, the event that told of it, and when (Unix seconds) its block was made.

    ``event.volume`` is what was matched; the deal's own ``bot_size`` is the same on today's hubs.
    """

    deal: Deal
    event: OrdersMatched
    moment: UnixSeconds

    @property
    def deal_id(self) -> DealId:
        """Its name."""
        return self.deal.deal_id

    @property
    def block(self) -> BlockNumber:
        """Where it stands."""
        return self.event.place.block

    @property
    def tx_hash(self) -> TxHash:
        """What made it."""
        return self.event.place.tx_hash


@dataclass(frozen=True, slots=True)
class MarketCategory:
    """A category, and when (Unix seconds) its block was made."""

    event: CategoryCreated
    moment: UnixSeconds


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One deal of a category's price history: what its pool took per task (nRLC)."""

    moment: UnixSeconds
    price: NanoRlc
    volume: int
