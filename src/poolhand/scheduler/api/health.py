"""The endpoints of whoever watches over the pool: how it is, whether it leads, what it measures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from poolhand.scheduler.chain_feed import ChainFeed
from poolhand.scheduler.collateral import Collateral
from poolhand.scheduler.gas_budget import GasBudget
from poolhand.scheduler.placement import Placement
from poolhand.scheduler.pricing import Pricing
from poolhand.scheduler.task_index import TaskIndex
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.transport.asgi import service_router
from poolhand.wire.pool_api import DepositStanding, GasStanding, PoolHealth, PoolReady

_METRICS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "As Prometheus reads them.", "content": {"text/plain": {}}}
}


class HealthTeller:
    """Says how a pool is: each part of it says its own."""

    def __init__(
        self,
        feed: ChainFeed,
        workers: WorkerDirectory,
        index: TaskIndex,
        placement: Placement,
        gas_budget: GasBudget,
        collateral: Collateral,
        pricing: Pricing,
    ) -> None:
        self._feed, self._workers, self._index, self._placement = feed, workers, index, placement
        self._gas_budget, self._collateral, self._pricing = gas_budget, collateral, pricing

    def health(self) -> PoolHealth:
        """Say it; ``ok`` is false while the chain cannot be read."""
        head, trouble, idle = self._feed.head, self._feed.trouble, self._placement.idle_workers()
        return PoolHealth(
            ok=not trouble,
            chain=trouble or None,
            block=head.number if head else None,
            block_time=head.timestamp if head else None,
            workers=len(self._workers),
            idle={str(why): count for why, count in idle.items()},
            open_tasks=len(self._index.open),
            gas=GasStanding(**self._gas_budget.show()),
            deposit=DepositStanding(**self._collateral.show()),
            sells=self._pricing.why_nothing is None,
            sells_nothing_because=self._pricing.why_nothing,
        )


def health_routes(health: Callable[[], PoolHealth], registry: CollectorRegistry) -> APIRouter:
    """Return the endpoints of whoever watches over the pool.

    Args:
        health: Says how the pool is.
        registry: What is measured.
    """
    router = service_router()

    @router.get("/health")
    async def told() -> PoolHealth:
        """Tell that the scheduler is up, how far the chain is, and whether anything can be sold.

        ``ok`` is false while the chain cannot be read; ``chain`` says why.
        """
        return health()

    @router.get("/ready")
    async def ready() -> PoolReady:
        """Tell a balancer that workers and requesters may be sent here; who stands by says 503."""
        return PoolReady(leads=True)

    @router.get("/metrics", response_class=Response, responses=_METRICS)
    async def metrics() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return router
