"""The endpoint that shows a deal and the tasks of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId
from poolhand.scheduler.api.errors import NotKnown, NotReadYet
from poolhand.scheduler.api.known_tasks import KnownTasks
from poolhand.scheduler.deals import Deals
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.views import show_deal
from poolhand.transport.asgi import service_router
from poolhand.wire.json_models import DealIdText
from poolhand.wire.pool_api import DealNews

FirstIndex = Annotated[int | None, Query(ge=0)]
TaskLimit = Annotated[int, Query(ge=1, le=1000)]


def deal_routes(deals: Deals, settled: SettledTasks, known: KnownTasks) -> APIRouter:
    """Return the endpoint that shows deals.

    Args:
        deals: Those that have open tasks, and those that cannot be read.
        settled: Has those that are over.
        known: Finds their tasks.
    """
    router = service_router()

    @router.get("/v1/deals/{deal_id}")
    async def deal(
        deal_id: DealIdText, first: FirstIndex = None, limit: TaskLimit = 100
    ) -> DealNews:
        """Show a deal of this pool, and its tasks in order of their index.

        ``first`` is the index of the first task to be shown; without it the deal's own first.
        """
        found = await find_deal(deals, settled, DealId.parse(deal_id))
        return show_deal(found, await known.lines(found, first, limit))

    return router


async def find_deal(deals: Deals, settled: SettledTasks, name: DealId) -> Deal:
    """Return a deal of the pool; raises NotKnown, NotReadYet."""
    found = deals.by_id.get(name) or await settled.deal(name)
    if found is not None:
        return found
    if name in deals.unread:
        raise NotReadYet(f"deal {name} cannot be read yet: {deals.unread[name].words}")
    if name in deals.unreadable:
        raise NotKnown(f"deal {name} cannot be read: {deals.unreadable[name]}")
    raise NotKnown(f"deal {name} is not one of this pool's")
