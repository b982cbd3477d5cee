"""The endpoints by which the pool's owner sees single workers and decides about them.

They ask for no token: ``transport.bearer`` does, before them.
"""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from poolhand.domain.exclusion import Exclusion
from poolhand.domain.ids import Address
from poolhand.domain.placement.worker import ConnectedWorker
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.owner_workers import OwnerWorkers
from poolhand.scheduler.task_index import TaskIndex
from poolhand.scheduler.views import show_worker
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.scheduler.worker_tallies import WorkerTallies
from poolhand.transport.asgi import service_router
from poolhand.wire.json_models import AddressText
from poolhand.wire.pool_owner import (
    Decided,
    ExcludedWorker,
    ExcludedWorkers,
    ExclusionOrder,
    ExclusionTold,
    MessageOrder,
    OwnedWorker,
    OwnedWorkers,
    Said,
)
from poolhand.wire.session_terms import OWNER_MESSAGES

MOST_WORKERS_LISTED: Final = 200
"""Workers of one answer: 4 ms of the loop."""
Limit = Annotated[int, Query(ge=1, le=MOST_WORKERS_LISTED)]


class OwnersWorkers:
    """Shows workers to the pool's owner, and carries out what it decides.

    Args:
        directory: Who is connected.
        index: Counts the replicates that each holds.
        exclusions: Who is kept from work.
        orders: Carries decisions out.
        tallies: What each has done.
    """

    def __init__(
        self,
        directory: WorkerDirectory,
        index: TaskIndex,
        exclusions: Exclusions,
        orders: OwnerWorkers,
        tallies: WorkerTallies,
    ) -> None:
        self._directory, self._index, self._tallies = directory, index, tallies
        self._exclusions, self._orders = exclusions, orders

    def page(self, after: Address | None, limit: int) -> OwnedWorkers:
        """Show some of those that are connected."""
        found = self._directory.page(after, limit)
        return OwnedWorkers(
            workers=tuple(map(self._show, found)),
            connected=len(self._directory),
            after=found[-1].worker if len(found) == limit else None,
        )

    def excluded(self, after: Address | None, limit: int) -> ExcludedWorkers:
        """Show some of those that are kept from work."""
        found = self._exclusions.page(after, limit)
        rows = (
            ExcludedWorker(
                worker=worker,
                connected=self._directory.has(worker),
                **_told(each).model_dump(),
            )
            for worker, each in found
        )
        return ExcludedWorkers(
            workers=tuple(rows),
            excluded=len(self._exclusions),
            after=found[-1][0] if len(found) == limit else None,
        )

    async def drain(self, worker: Address, order: ExclusionOrder) -> Decided:
        """Give a worker nothing new."""
        return self._decided(worker, await self._orders.drain(worker, order.reason))

    async def ban(self, worker: Address, order: ExclusionOrder) -> Decided:
        """Let a worker in no more."""
        return self._decided(worker, await self._orders.ban(worker, order.reason))

    async def readmit(self, worker: Address) -> Decided:
        """Let a worker work again."""
        changed = await self._orders.readmit(worker)
        return Decided(worker=worker, changed=changed, connected=self._directory.has(worker))

    def say(self, worker: Address, order: MessageOrder) -> Said:
        """Tell its operator something."""
        message = self._orders.say(worker, order.text)
        return Said(worker=worker, text=message.text, at=message.at)

    def _decided(self, worker: Address, made: Exclusion) -> Decided:
        here = self._directory.has(worker)
        return Decided(worker=worker, exclusion=_told(made), connected=here)

    def _show(self, here: ConnectedWorker) -> OwnedWorker:
        found, known = self._exclusions.of(here.worker), here.reputation
        tally = self._tallies.of(here.worker)
        return OwnedWorker(
            **show_worker(here, len(self._index.of(here.worker))).model_dump(),
            sandbox=here.sandbox,
            gpu=here.gpus > 0,
            gpus=here.gpus,
            locked=here.locked,
            source=here.source,
            settled=tally.settled,
            failed=tally.failed,
            mean_seconds=tally.mean_seconds,
            faults=known.faults,
            rests_until=known.rests_until or None,
            can_be_told=here.protocol >= OWNER_MESSAGES,
            exclusion=None if found is None else _told(found),
        )


def _told(exclusion: Exclusion) -> ExclusionTold:
    return ExclusionTold(kind=exclusion.kind, reason=exclusion.reason, since=exclusion.since)


def owner_worker_routes(workers: OwnersWorkers) -> APIRouter:
    """Return the endpoints."""
    router = service_router()

    @router.get("/v1/owner/workers")
    async def page(limit: Limit = 100, after: AddressText | None = None) -> OwnedWorkers:
        """List connected workers for the owner: ``after`` is what the page before told."""
        return workers.page(_address(after), limit)

    @router.get("/v1/owner/excluded")
    async def excluded(limit: Limit = 100, after: AddressText | None = None) -> ExcludedWorkers:
        """List the workers that are drained or banned: ``after`` is what the page before told."""
        return workers.excluded(_address(after), limit)

    @router.post("/v1/owner/workers/{address}/drain")
    async def drain(address: AddressText, order: ExclusionOrder) -> Decided:
        """Give a worker nothing new; what it holds goes on. Answers once it is durable."""
        return await workers.drain(Address.parse(address), order)

    @router.post("/v1/owner/workers/{address}/ban")
    async def ban(address: AddressText, order: ExclusionOrder) -> Decided:
        """Let a worker in no more; what it holds goes to others. Answers once it is durable."""
        return await workers.ban(Address.parse(address), order)

    @router.post("/v1/owner/workers/{address}/readmit")
    async def readmit(address: AddressText) -> Decided:
        """Let a worker that was drained or banned work again; answers once it is durable."""
        return await workers.readmit(Address.parse(address))

    @router.post("/v1/owner/workers/{address}/message")
    async def message(address: AddressText, order: MessageOrder) -> Said:
        """Tell the operator of a connected worker something."""
        return workers.say(Address.parse(address), order)

    return router


def _address(text: str | None) -> Address | None:
    return None if text is None else Address.parse(text)
