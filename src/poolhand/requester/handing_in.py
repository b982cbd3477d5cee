"""Buying by signature alone: the pool sends the purchase and pays the gas, where it offers that.

What is handed in is in our journal before. The contract takes a request once, so whoever sends it
at last, and however often, it is bought once; that we send it ourselves is decided when the pool
has refused, or has been silent for long.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from poolhand.domain.deal import Deal
from poolhand.domain.errors import Malformed, OutOfGas, Refused
from poolhand.domain.ids import DealId
from poolhand.domain.orders.model import MatchOrders
from poolhand.domain.units import NanoRlc
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.requester.checking import price_of
from poolhand.requester.sellers import ForeignPool
from poolhand.requester.sending_terms import (
    agree_to,
    fee_of,
    fee_told,
    lacks_fee,
    price_with_fee,
    unwilling,
)
from poolhand.requester.watching import listening
from poolhand.requester.whose_pool import PoolFinder
from poolhand.transport.pool_client import PoolClient, PoolDown, PoolRefused
from poolhand.wire.pool_api import PoolConfig

HANDING_IN_TRIES: Final = 3
"""Times that a pool is asked whose transaction does not come, or which does not answer."""
BLOCKS_AWAITED: Final = 20
"""Blocks, or half seconds without one, in which a deal is awaited that the pool has sent."""
BLOCKS_AWAITED_IN_SILENCE: Final = 4
"""The same where it did not answer: it may have sent it all the same."""
log = structlog.get_logger()


class NobodySends(Refused):
    """The pool does not send the purchase, and we have no coin to do so."""

    def __init__(self, why: str, fault: OutOfGas) -> None:
        super().__init__(f"the pool does not send the purchase ({why}), and {fault}")


@dataclass(frozen=True, slots=True)
class HandedIn:
    """What became of it: the deal, or why it is ours to send."""

    deal: Deal | None
    why_not: str = ""


@dataclass(frozen=True, slots=True)
class HandingIn:
    """Hands purchases in at one pool.

    Attributes:
        pool: Sends them.
        hub, watcher: The chain, which alone tells that it did.
        clock: Paces the looks between blocks.
    """

    pool: PoolClient
    hub: Hub
    watcher: Watcher
    clock: Clock

    async def hand_in(self, orders: MatchOrders, name: DealId) -> HandedIn:
        """Have the deal ``name`` made of orders that are in the journal.

        Raises:
            ChainUnreachable: What became of it is unknown; the same again goes on with it.
        """
        why = ""
        async with listening(self.watcher, self.clock) as ring:
            for _ in range(HANDING_IN_TRIES):
                if (found := await self.hub.deal(name)) is not None:
                    return HandedIn(found)
                try:
                    sent = await self.pool.hand_in(orders)
                except (PoolRefused, ForeignPool) as fault:
                    return HandedIn(await self.hub.deal(name), str(fault))
                except (PoolDown, Malformed) as fault:
                    why, looks = str(fault), BLOCKS_AWAITED_IN_SILENCE
                else:
                    log.info("purchase_handed_in", pool=self.pool.url, tx=str(sent.tx))
                    why, looks = "its transaction came into no block", BLOCKS_AWAITED
                if (found := await self._awaited(name, ring, looks)) is not None:
                    return HandedIn(found)
        return HandedIn(None, why)

    async def _awaited(
        self, name: DealId, ring: Callable[[], Awaitable[None]], looks: int
    ) -> Deal | None:
        for _ in range(looks):
            if (found := await self.hub.deal(name)) is not None:
                return found
            await ring()
        return await self.hub.deal(name)


@dataclass(frozen=True, slots=True)
class Courier:
    """Who sends a purchase: a pool, or we, and why.

    Attributes:
        pool: None where we send it.
        why_not: Why no pool does; empty where none was to be asked.
        is_odd: Whether that is worth a word though nobody has asked for a pool: the pool is known
            and could not be asked, or is not what is said of it.
    """

    pool: PoolClient | None = None
    why_not: str = ""
    is_odd: bool = False


async def courier_of(
    finder: PoolFinder, orders: MatchOrders, *, wanted: bool | None, unpaid: str = ""
) -> Courier:
    """Find the pool of a purchase, if it sends such ones.

    Args:
        finder: Knows where pools are.
        orders: What is to be sent.
        wanted: None: where it costs no fee; False: never.
        unpaid: Why its order pays no fee, where that was to be paid.

    Raises:
        ChainUnreachable: No endpoint answers.
    """
    if wanted is False:
        return Courier()
    found = await finder.find(orders.workerpool.order.workerpool)
    if found.pool is None or found.config is None:
        return Courier(None, found.silence, found.is_told)
    why_not = _why_not(found.config, found.pool.url, orders, agreed=bool(wanted), unpaid=unpaid)
    return Courier(None, why_not) if why_not else Courier(found.pool)


def _why_not(
    config: PoolConfig, url: str, orders: MatchOrders, *, agreed: bool, unpaid: str
) -> str:
    """Say why a pool does not send such a purchase; empty where it does."""
    if why := unwilling(config, url, orders.request.order.params):
        return why
    order = orders.workerpool.order
    if lacks_fee(config, order):
        whole = price_of(orders) - order.price + price_with_fee(config, order.category)
        return unpaid or f"{fee_told(config, url)}: {agree_to(NanoRlc(whole))}"
    if fee_of(config) and not agreed:
        return f"{fee_told(config, url)}: agree with --by-signature"
    return ""
