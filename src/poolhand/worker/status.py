"""The worker's status page: JSON on loopback for ``poolhand worker status`` and for monitoring.

``GET /v1/status`` is a contract: members are added, never renamed. Amounts are in wei and nRLC,
moments in Unix seconds; null is what has not been looked at yet, or does not apply.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from poolhand import __version__
from poolhand.containers.disks import PROMISES
from poolhand.domain.replicate.machine import Entry, Replicate
from poolhand.domain.replicate.status import STATUSES
from poolhand.domain.task.idle import tasks_seen
from poolhand.worker.agent import Agent
from poolhand.worker.bench import Bench
from poolhand.worker.front import HEADERS, front_page
from poolhand.worker.idle import Facts, idle_causes, show_moment
from poolhand.worker.metrics import gauges
from poolhand.worker.stakes import Stake
from poolhand.worker.standing import Hold


def routes(agent: Agent, bench: Bench, slots: int) -> APIRouter:
    """Return the endpoints; none of them changes anything."""
    router = APIRouter()
    registry = gauges(agent, bench)

    @router.get("/", include_in_schema=False)
    async def front() -> HTMLResponse:
        """Show the status to a person with a browser."""
        return HTMLResponse(front_page(show_worker(agent, bench, slots)), headers=HEADERS)

    @router.get("/version")
    async def version() -> Response:
        """Tell the version as text."""
        return Response(__version__, media_type="text/plain")

    @router.get("/health")
    async def health() -> dict[str, Any]:
        """Tell whether the worker is up and connected, and reads the chain."""
        trouble = bench.watcher.trouble
        connected = agent.standing.connected
        return {"ok": not trouble, "connected": connected, "chain": trouble or None}

    @router.get("/metrics")
    async def metrics() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/status")
    async def status() -> dict[str, Any]:
        """Tell what the worker does, and why it does nothing when it does nothing."""
        return show_worker(agent, bench, slots)

    return router


def show_worker(agent: Agent, bench: Bench, slots: int) -> dict[str, Any]:
    """Show a worker: its standing, its money, what it holds and why it takes nothing new."""
    standing, held = agent.standing, agent.shell.replicates.items()
    return {
        "name": bench.name.removeprefix("poolhand-"),
        "folder": str(bench.base.parent),
        "worker": str(bench.worker),
        "workerpool": str(bench.pool),
        "version": __version__,
        "slots": slots,
        "disk": {"kind": bench.disk, "promise": PROMISES[bench.disk]},
        "connected": standing.connected,
        "problem": standing.problem,
        "paused": standing.paused,
        "draining": Hold.DRAIN in standing.holds,
        "idle": dict(standing.idle),
        "idle_causes": [asdict(cause) for cause in idle_causes(facts_of(agent, bench, slots))],
        "tasks_seen": tasks_seen(standing.idle),
        "chain": _chain(agent),
        "purse": _purse(agent),
        "stake": _account(agent),
        "offers": asdict(standing.offers),
        "unread": dict(agent.shell.unread),
        "replicates": [
            {"task_id": str(task_id), **show_replicate(each), **_stake(agent.eyes.stake(task_id))}
            for task_id, each in held
        ],
    }


def left_behind(agent: Agent) -> dict[str, Any]:
    """Say for the log what a worker that ends still holds, and by when it must be back."""
    held = [name for name, each in agent.shell.replicates.items() if not each.is_over]
    stakes = [agent.eyes.stake(name) for name in held]
    times = [stake.reveal_by for stake in stakes if stake.reveal_by is not None]
    return {
        "held": len(held),
        "reveals_owed": sum(stake.reveal_owed for stake in stakes),
        "restart_before": show_moment(min(times)) if times else None,
        "kept": "the journal and all results" if held else None,
    }


def facts_of(agent: Agent, bench: Bench, slots: int) -> Facts:
    """Gather what the causes of idleness are told from."""
    account = agent.wallet.account
    return Facts(
        wallet=bench.worker,
        standing=agent.standing,
        working=sum(map(_occupies_slot, agent.shell.replicates.values())),
        slots=slots,
        purse=agent.wallet.purse,
        is_short=agent.wallet.is_short,
        free=account.stake if account else None,
        capped=agent.wallet.capped,
    )


def _occupies_slot(replicate: Replicate) -> bool:
    return not (replicate.is_over or replicate.has_contributed or replicate.parked)


def _chain(agent: Agent) -> dict[str, Any]:
    """Show how far the chain is, and since when it shows nothing new, by this machine's clock."""
    head = agent.eyes.head
    return {
        "block": head.number if head else None,
        "block_time": head.timestamp if head else None,
        "stalled_since": agent.eyes.stalled_since,
    }


def _purse(agent: Agent) -> dict[str, Any]:
    purse = agent.wallet.purse
    if purse is None:
        return {"balance_wei": None, "reserve_wei": None, "missing_wei": None}
    missing = purse.missing if agent.wallet.is_short else None
    return {
        "balance_wei": purse.balance,
        "reserve_wei": purse.reserve,
        "missing_wei": missing,
    }


def _account(agent: Agent) -> dict[str, Any]:
    account = agent.wallet.account
    return {
        "free_nrlc": account.stake if account else None,
        "locked_nrlc": account.locked if account else None,
    }


def _stake(stake: Stake) -> dict[str, Any]:
    return {
        "stake_locked_nrlc": stake.locked,
        "unlocks_at": stake.unlocks_at,
        "reveal_owed": stake.reveal_owed,
        "reveal_by": stake.reveal_by,
    }


def show_replicate(replicate: Replicate) -> dict[str, Any]:
    """Show a replicate with its history, and what its status asks of whom."""
    row = STATUSES[replicate.status]
    return {
        "status": replicate.status,
        "meaning": row.meaning,
        "acts": row.acts,
        "next_step": row.next_step,
        "flow": replicate.offer.flow,
        "quarantined": replicate.trouble.quarantined,
        "trouble": replicate.trouble.words or None,
        "history": [_show(entry) for entry in replicate.history],
    }


def _show(entry: Entry) -> dict[str, Any]:
    tx = str(entry.tx) if entry.tx else None
    return {"status": entry.status, "at": entry.at, "detail": entry.detail, "tx": tx}
