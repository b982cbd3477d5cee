"""The endpoints that tell of a drain, and take the owner's word for one."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter

from poolhand.scheduler.api.stuck_tasks import StuckTasks
from poolhand.scheduler.draining import DrainWish, PoolDrain
from poolhand.scheduler.market_sale import MarketSale
from poolhand.transport.asgi import service_router
from poolhand.wire.pool_drain import DrainOrder, DrainStanding


@dataclass(frozen=True, slots=True)
class DrainTeller:
    """Says how a drain stands.

    Attributes:
        drain: What the owner asked for.
        sale: Knows the orders.
        open_tasks: Counts the tasks that are open, and knows which nobody can go on with.
    """

    drain: PoolDrain
    sale: MarketSale
    open_tasks: StuckTasks

    def tell(self) -> DrainStanding:
        """Say it; it is done once nothing is open, shown, or to be cancelled."""
        wish, count = self.drain.wish, self.open_tasks.count
        shown, valid = self.sale.shown_now, self.sale.valid
        left = count + shown + (valid if wish.cancels else 0)
        return DrainStanding(
            draining=wish.drains,
            cancels=wish.cancels,
            open_tasks=count,
            shown=shown,
            valid=valid,
            done=wish.drains and not left,
            markets={each.url: each.trouble for each in self.sale.stalls if each.trouble},
            stuck=self.open_tasks.found(),
        )

    async def ask(self, order: DrainOrder) -> DrainStanding:
        """Do as the owner wishes, durably."""
        await self.drain.ask(DrainWish(order.drains, order.drains and order.cancels))
        return self.tell()


def drain_routes(teller: DrainTeller) -> APIRouter:
    """Return the endpoint for everybody."""
    router = service_router()

    @router.get("/v1/drain")
    async def drain() -> DrainStanding:
        """Tell whether the pool sells nothing new and finishes what is open, and what is left."""
        return teller.tell()

    return router
