"""Whom a buyer asks for orders, and why none of them may have one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from poolhand.domain.deal import App, Dataset, Workerpool
from poolhand.domain.errors import Refused
from poolhand.domain.ids import Address
from poolhand.domain.orders.choosing import UnfitCandidate
from poolhand.domain.units import show_rlc
from poolhand.transport.market_client import MarketClient
from poolhand.transport.pool_client import PoolClient

MOST_ORDERS_TOLD: Final = 20
"""Orders that are told of where nothing fits."""


@dataclass(frozen=True, slots=True)
class Sellers:
    """Whom a buyer asks for orders.

    Attributes:
        pool: The workerpool whose URL is known.
        market: A market.
        pool_first: Whether the buyer has named the pool: then no other one is bought from.
        by_signature: Whether a pool that offers it sends the purchase; None: if for no fee.
    """

    pool: PoolClient | None = None
    market: MarketClient | None = None
    pool_first: bool = True
    by_signature: bool | None = False


class NoMarketNamed(Refused):
    """A market has to be asked and nobody said where it is."""


def demanded(market: MarketClient | None) -> MarketClient:
    """Return a market that is needed; raises NoMarketNamed."""
    if market is None:
        raise NoMarketNamed("no market is named: give its URL with --market")
    return market


class NoSuchAsset(Refused):
    """No app, dataset or workerpool is registered at this address."""


class NoOrder(Refused):
    """Something is wanted that belongs to somebody else, and no order of theirs is at hand."""

    @classmethod
    def of_owner(cls, what: str, address: Address, owner: Address, buyer: Address) -> NoOrder:
        """Say whose it is, and how to buy it all the same."""
        return cls(
            f"{what} {address} belongs to {owner}, not to {buyer}: buy in a market where its owner "
            f"sells it (--market), with the wallet that owns it, or with an order of its owner "
            f"(--{what}-order)"
        )


class ForeignPool(Refused):
    """The pool at this URL serves another chain or hub, or is not the one that is wanted."""


class NothingFits(Refused):
    """No orders of the market make the deal that is wished; each is told with the rule it breaks.

    Attributes:
        rejections: The orders, cheapest first of each kind.
    """

    def __init__(self, market: str, what: str, rejections: tuple[UnfitCandidate, ...] = ()) -> None:
        told = "".join(f"\n  {_told(each)}" for each in rejections[:MOST_ORDERS_TOLD])
        super().__init__(f"nothing in the market at {market} fits: {what}{told}")
        self.rejections = rejections


def _told(each: UnfitCandidate) -> str:
    sold = each.candidate
    return f"{sold.kind} {sold.resource} at {show_rlc(sold.price)} RLC: {'; '.join(each.why)}"


_Registered = TypeVar("_Registered", App, Dataset, Workerpool)


def registered(asset: _Registered | None, what: str, address: Address) -> _Registered:
    """Return an asset that the chain has; raises NoSuchAsset where it has none."""
    if asset is None:
        raise NoSuchAsset(f"no {what} is registered at {address}: correct the address")
    return asset
