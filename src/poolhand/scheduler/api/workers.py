"""The endpoints that show who is connected, and why a worker is given nothing more."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from poolhand.domain.ids import Address
from poolhand.scheduler.api.errors import NotKnown
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.task_index import TaskIndex
from poolhand.scheduler.views import show_idle, show_worker
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.asgi import service_router
from poolhand.transport.list_writer import ListWriter
from poolhand.wire.json_models import AddressText
from poolhand.wire.pool_api import ConnectedWorkers, WorkerNews

MOST_LISTED: Final = 1000
"""Workers of one answer."""


def worker_routes(
    directory: WorkerDirectory, index: TaskIndex, placement: Placement, lists: ListWriter
) -> APIRouter:
    """Return the endpoints that show workers.

    Args:
        directory: Who is connected.
        index: Counts the replicates that each holds.
        placement: Says why one is idle.
        lists: Writes those that are long.
    """
    router = service_router()

    @router.get("/v1/workers", response_model=ConnectedWorkers)
    async def workers(
        limit: Annotated[int, Query(ge=1, le=MOST_LISTED)] = 100,
        after: AddressText | None = None,
    ) -> Response:
        """List connected workers in order of their addresses.

        ``after`` is the last worker of the page before, where there is one.
        """
        last = None if after is None else Address.parse(after)
        page = tuple(directory.page(last, limit))
        return await lists.answer(page, lambda each: show_worker(each, len(index.of(each.worker))))

    @router.get("/v1/workers/{address}")
    async def worker(address: AddressText) -> WorkerNews:
        """Show a connected worker, and why it is given nothing more: its open tasks by reason."""
        connected = directory.get(Address.parse(address))
        if connected is None:
            raise NotKnown(
                f"worker {address} is not connected to this pool: on its machine "
                "`poolhand worker status` says why"
            )
        replicates = len(index.of(connected.worker))
        return show_idle(connected, replicates, placement.why_idle(connected.worker))

    return router
