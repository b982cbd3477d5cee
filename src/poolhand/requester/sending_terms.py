"""What a pool asks for sending a purchase that is only signed, and whether the buyer agrees.

Its fee is in the price of its order, so it is asked for such an order. A pool that was named is
trusted with that. One that an order in a market led to is a stranger, and a cheap order may be
bait: its fee is paid within the limit that the buyer gave, and without a limit not at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from poolhand.domain.errors import PeerFault, Refused, Unavailable
from poolhand.domain.ids import Address
from poolhand.domain.orders.choosing import Bundle, Candidate
from poolhand.domain.orders.model import WorkerpoolOrder
from poolhand.domain.units import NanoRlc, show_rlc
from poolhand.requester.sellers import ForeignPool
from poolhand.requester.whose_pool import PoolFinder
from poolhand.requester.wish import Wish
from poolhand.transport.pool_client import PoolClient
from poolhand.wire.pool_api import PoolConfig


def unwilling(config: PoolConfig, url: str, params: str) -> str:
    """Say why a pool sends no such purchase at any price; empty where it does."""
    terms = config.by_signature
    if terms is None:
        return f"the workerpool at {url} sends no purchases"
    if (size := len(params.encode())) > terms.most_params:
        return (
            f"the workerpool at {url} sends no purchase with {size} bytes of arguments and inputs, "
            f"{terms.most_params} at most: put long arguments into an input file"
        )
    return ""


def fee_of(config: PoolConfig) -> NanoRlc:
    """Return what a pool takes on a task's price for sending it (nRLC)."""
    return config.by_signature.fee if config.by_signature else NanoRlc(0)


def fee_told(config: PoolConfig, url: str) -> str:
    """Say what a pool takes for it."""
    return f"the workerpool at {url} takes {show_rlc(fee_of(config))} RLC a task for it"


def price_with_fee(config: PoolConfig, category: int) -> NanoRlc:
    """Return what an order must cost by which a pool sends the purchase (nRLC)."""
    return NanoRlc(config.prices.get(category, 0) + fee_of(config))


def lacks_fee(config: PoolConfig, order: WorkerpoolOrder) -> bool:
    """Whether a pool takes a fee that its order does not pay."""
    return bool(fee_of(config)) and order.price < price_with_fee(config, order.category)


@dataclass(frozen=True, slots=True)
class PricedBundle:
    """A bundle by which its pool sends the purchase; ``why_not`` tells why it would not."""

    bundle: Bundle
    why_not: str = ""


async def with_fee(finder: PoolFinder, wish: Wish, bundle: Bundle, buyer: Address) -> PricedBundle:
    """Have a bundle's pool sell by an order with its fee, where it takes one and we agree to it.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    order = bundle.pool.signed.order
    assert isinstance(order, WorkerpoolOrder)
    found = await finder.find(order.workerpool)
    config, pool = found.config, found.pool
    if pool is None or config is None or not lacks_fee(config, order):
        return PricedBundle(bundle)
    if unwilling(config, pool.url, wish.params):
        return PricedBundle(bundle)
    if wish.workerpool_order is not None:
        why = f"{fee_told(config, pool.url)}, which the order that was given does not pay"
        return PricedBundle(bundle, why)
    try:
        asked = replace(bundle, pool=await _asked(pool, wish, order.workerpool, buyer))
    except (Unavailable, Refused, PeerFault) as fault:
        return PricedBundle(bundle, str(fault))
    if over := _over(wish, asked):
        return PricedBundle(bundle, f"{fee_told(config, pool.url)}: {over}")
    return PricedBundle(asked)


async def _asked(pool: PoolClient, wish: Wish, wanted: Address, buyer: Address) -> Candidate:
    terms = (wish.category, wish.trust, wish.tag, wish.tasks)
    signed = await pool.order(*terms, buyer, wish.app, by_signature=True)
    if signed.order.workerpool != wanted:
        raise ForeignPool(f"the workerpool at {pool.url} sells another pool's order")
    return Candidate(signed, signed.order.volume)


def _over(wish: Wish, asked: Bundle) -> str:
    """Say what a task would cost where that is more than was agreed to; empty where it is not."""
    most = wish.most_per_task
    if most is None:
        return agree_to(asked.price)
    if asked.price > most:
        price, limit = show_rlc(asked.price), show_rlc(most)
        return f"a task is then {price} RLC in all, over --max-price {limit}: raise it to {price}"
    return ""


def agree_to(price: NanoRlc) -> str:
    """Say what a task costs with a fee that nobody agreed to (nRLC), and how to agree."""
    told = show_rlc(price)
    return f"a task is then {told} RLC in all: agree with --by-signature --max-price {told}"
