"""May an order be published? The rules in iExec's order, the first that is broken is told.

Source: market API 7, services-api.md 2.3 and services-api-2.md A.5.
"""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address, OrderHash
from poolhand.domain.market.book import BookOrder, BookStatus, sort_of, stake_needed
from poolhand.domain.market.needs import BestPrice, check_needs
from poolhand.domain.market.refusals import (
    InvalidSign,
    NotOrderSigner,
    OrderAlreadyPublished,
    OrderConsumed,
    PoolOwnerStakeTooLow,
    RequesterStakeTooLow,
    ResourceNotDeployed,
    TooManyOpenOrders,
)
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.model import Order, RequestOrder
from poolhand.domain.units import NanoRlc


@dataclass(frozen=True, slots=True)
class Publication:
    """An order that somebody who proved to be ``by`` wants in the book."""

    order_hash: OrderHash
    order: Order
    sign: bytes
    by: Address


@dataclass(frozen=True, slots=True)
class BookLimits:
    """What a market's operator bounds.

    Attributes:
        open: Open orders of one signer in one collection.
        room: Orders of one collection that take room (``domain.market.room``).
    """

    open: int
    room: int


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the chain says of an order at one block.

    Attributes:
        owner: Of what is sold, None where it is not deployed; of a request its requester.
        signed: Whether the hub takes the signature for the owner's.
        consumed: How much is used up.
        stake: The owner's free stake (nRLC).
    """

    owner: Address | None
    signed: bool
    consumed: int
    stake: NanoRlc


@dataclass(frozen=True, slots=True)
class BookFacts:
    """What the book says to an order.

    Attributes:
        known: The same order, if it is in the book.
        open: How many open orders of this sort the signer has.
        most_open: How many one may have.
        best: Tells the lowest price of usable orders.
    """

    known: BookOrder | None
    open: int
    most_open: int
    best: BestPrice


def publish(asked: Publication, chain: OrderFacts, book: BookFacts, now: int) -> BookOrder:
    """Return the order as it goes into the book.

    Args:
        asked: The order, and who asks.
        chain: What the chain says of it.
        book: What the book says.
        now: Milliseconds since 1970.

    Raises:
        MarketRule: The first rule that is broken.
    """
    if book.known is not None and book.known.status is not BookStatus.DEAD:
        raise OrderAlreadyPublished
    remaining = _check_order(asked, chain, book)
    _check_stake(asked.order, remaining, chain.stake)
    if isinstance(asked.order, RequestOrder):
        check_needs(asked.order, book.best)
    published = now if book.known is None else book.known.published
    told = asked.order_hash, asked.order, asked.sign, asked.by
    return BookOrder(*told, BookStatus.OPEN, remaining, published)


def _check_order(asked: Publication, chain: OrderFacts, book: BookFacts) -> int:
    """Check whose order it is, and what is left of it; returns that."""
    if chain.owner is None:
        raise ResourceNotDeployed
    if chain.owner != asked.by:
        raise NotOrderSigner(chain.owner, "publish")
    if not chain.signed:
        raise InvalidSign
    if book.open >= book.most_open:
        raise TooManyOpenOrders(book.most_open, sort_of(asked.order), asked.by)
    remaining = asked.order.volume - chain.consumed
    if remaining <= 0:
        raise OrderConsumed
    return remaining


def _check_stake(order: Order, remaining: int, stake: NanoRlc) -> None:
    needed = stake_needed(order, remaining)
    if stake >= needed:
        return
    if sort_of(order) is OrderSort.REQUEST:
        raise RequesterStakeTooLow(needed)
    raise PoolOwnerStakeTooLow
