"""What a pool tells of the orders that it has in markets; see ``wire.pool_api``."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.wire.json_models import JsonOrderHash, Sentence, Told, Words


class OrderOnSale(Told):
    """An order that the pool signed for markets; ``why_not`` is null where it is for sale.

    ``remaining`` tasks can be bought with it as long as it is valid on chain: until it is used up
    or closed there, whether a market shows it or not. ``closes``: the pool closes it now.
    """

    order_hash: JsonOrderHash
    category: int
    price: NanoRlc
    trust: int
    volume: int
    remaining: int
    signed_at: UnixSeconds
    for_sale: bool
    why_not: Sentence | None = None
    closes: bool = False
    markets: tuple[Words, ...] = ()
    refused: Mapping[Words, Sentence] = Field(default_factory=dict)
    tag: tuple[Words, ...] = ()


class MarketOfPool(Told):
    """A market in which the pool sells; ``trouble`` says why it does not answer.

    ``unregistered`` says why the market did not take what the pool says of itself. ``others`` are
    orders of the owner for the pool that this program did not sign: it lets them be.
    """

    url: Words
    trouble: Sentence | None = None
    unregistered: Sentence | None = None
    others: tuple[JsonOrderHash, ...] = ()


class OrdersOnSale(Told):
    """``GET /v1/orders``: what the pool sells in markets, and why it does not sell more.

    ``tag`` of an order names what the tasks may demand of workers that are sold with it. ``lacks``
    says by category why no more is signed although more could be sold; prices in nRLC.
    """

    markets: tuple[MarketOfPool, ...]
    orders: tuple[OrderOnSale, ...]
    lacks: Mapping[int, Sentence] = Field(default_factory=dict)
