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
from poolhand.domain.errors import Malformed, OutOfGas, Refused, Unavailable
from poolhand.domain.ids import DealId
from poolhand.domain.orders.model import MatchOrders
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.requester.watching import listening
from poolhand.transport.pool_client import PoolClient, PoolDown, PoolRefused

TRIES: Final = 3
"""Times that a pool is asked whose transaction does not come, or which does not answer."""
LOOKS: Final = 20
"""Blocks, or half seconds without one, in which a deal is awaited that the pool has sent."""
FEW_LOOKS: Final = 4
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
            for _ in range(TRIES):
                if (found := await self.hub.deal(name)) is not None:
                    return HandedIn(found)
                try:
                    sent = await self.pool.hand_in(orders)
                except PoolRefused as fault:
                    return HandedIn(await self.hub.deal(name), str(fault))
                except (PoolDown, Malformed) as fault:
                    why, looks = str(fault), FEW_LOOKS
                else:
                    log.info("purchase_handed_in", pool=self.pool.url, tx=str(sent.tx))
                    why, looks = "its transaction came into no block", LOOKS
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


async def sending_pool(
    pool: PoolClient | None, hub: Hub, orders: MatchOrders, *, wanted: bool | None
) -> PoolClient | None:
    """Return the pool if it sends such a purchase; None where we send it ourselves.

    Args:
        pool: That is known; of another workerpool it sends nothing.
        hub: Of the purchase.
        orders: What is to be sent.
        wanted: None: where it costs no fee; False: never.
    """
    if pool is None or wanted is False:
        return None
    try:
        config = await pool.config()
    except (Unavailable, Refused, Malformed):
        return None
    terms, request = config.by_signature, orders.request.order
    same = (config.chain_id, config.hub) == (hub.facts.chain_id, hub.facts.hub)
    if terms is None or not same or config.workerpool != orders.workerpool.order.workerpool:
        return None
    is_too_long = len(request.params.encode()) > terms.most_params
    costs = terms.fee > 0 and not wanted
    return None if is_too_long or costs else pool
