"""The worker's status page: JSON on loopback for ``poolhand worker status`` and for monitoring."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean
from typing import Any

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest

from poolhand import __version__
from poolhand.domain.replicate.machine import Entry, Replicate
from poolhand.domain.replicate.status import STATUSES
from poolhand.worker.agent import Agent
from poolhand.worker.bench import Bench


def routes(agent: Agent, bench: Bench, slots: int) -> APIRouter:
    """Return the endpoints; none of them changes anything."""
    router = APIRouter()
    registry = _metrics(agent, bench)

    @router.get("/version")
    async def version() -> Response:
        """Tell the version as text."""
        return Response(__version__, media_type="text/plain")

    @router.get("/health")
    async def health() -> dict[str, Any]:
        """Tell whether the worker is up and connected."""
        return {"ok": True, "connected": agent.standing.connected}

    @router.get("/metrics")
    async def metrics() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/status")
    async def status() -> dict[str, Any]:
        """Tell what the worker does, and why it does nothing when it does nothing."""
        standing = agent.standing
        held = agent.shell.replicates.items()
        return {
            "worker": str(bench.worker),
            "workerpool": str(bench.pool),
            "version": __version__,
            "slots": slots,
            "connected": standing.connected,
            "problem": standing.problem,
            "paused": standing.paused,
            "idle": dict(standing.idle),
            "replicates": [
                {"task_id": str(task_id), **show_replicate(each)} for task_id, each in held
            ],
        }

    return router


def show_replicate(replicate: Replicate) -> dict[str, Any]:
    """Show a replicate with its history, and what its status asks of whom."""
    row = STATUSES[replicate.status]
    return {
        "status": replicate.status,
        "meaning": row.meaning,
        "acts": row.acts,
        "next_step": row.next_step,
        "flow": replicate.offer.flow,
        "history": [_show(entry) for entry in replicate.history],
    }


def _show(entry: Entry) -> dict[str, Any]:
    tx = str(entry.tx) if entry.tx else None
    return {"status": entry.status, "at": entry.at, "detail": entry.detail, "tx": tx}


def _metrics(agent: Agent, bench: Bench) -> CollectorRegistry:
    registry = CollectorRegistry()
    gauges: tuple[tuple[str, str, Callable[[], float]], ...] = (
        (
            "poolhand_worker_connected",
            "Whether the pool is connected",
            lambda: agent.standing.connected,
        ),
        (
            "poolhand_worker_replicates",
            "Replicates held",
            lambda: len(agent.shell.replicates),
        ),
        (
            "poolhand_worker_compute_seconds_max",
            "Longest of the last computations",
            lambda: max(bench.durations, default=0.0),
        ),
        (
            "poolhand_worker_compute_seconds_mean",
            "Mean of the last computations",
            lambda: fmean(bench.durations) if bench.durations else 0.0,
        ),
        (
            "poolhand_worker_compute_seconds_count",
            "How many computations these are of",
            lambda: len(bench.durations),
        ),
    )
    for name, meaning, read in gauges:
        Gauge(name, meaning, registry=registry).set_function(read)
    return registry
