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
from poolhand.worker.idle import IdleFacts, idle_causes, show_moment
from poolhand.worker.metrics import gauges
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.stakes import ReplicateStake
from poolhand.worker.standing import Hold
from poolhand.worker.status_page import HEADERS, front_page
from poolhand.worker.toolbox import Toolbox


def routes(member: PoolMember, toolbox: Toolbox, slots: int) -> APIRouter:
    """Return the endpoints; none of them changes anything."""
    router = APIRouter()
    registry = gauges(member, toolbox)

    @router.get("/", include_in_schema=False)
    async def front() -> HTMLResponse:
        """Show the status to a person with a browser."""
        return HTMLResponse(front_page(show_worker(member, toolbox, slots)), headers=HEADERS)

    @router.get("/version")
    async def version() -> Response:
        """Tell the version as text."""
        return Response(__version__, media_type="text/plain")

    @router.get("/health")
    async def health() -> dict[str, Any]:
        """Tell whether the worker is up and connected, and reads the chain."""
        trouble = toolbox.watcher.trouble
        connected = member.standing.connected
        return {"ok": not trouble, "connected": connected, "chain": trouble or None}

    @router.get("/metrics")
    async def metrics() -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/status")
    async def status() -> dict[str, Any]:
        """Tell what the worker does, and why it does nothing when it does nothing."""
        return show_worker(member, toolbox, slots)

    return router


def show_worker(member: PoolMember, toolbox: Toolbox, slots: int) -> dict[str, Any]:
    """Show a worker: its standing, its money, what it holds and why it takes nothing new."""
    standing, held = member.standing, member.shell.replicates.items()
    return {
        "name": toolbox.name.removeprefix("poolhand-"),
        "folder": str(toolbox.base.parent),
        "worker": str(toolbox.worker),
        "workerpool": str(toolbox.pool),
        "version": __version__,
        "slots": slots,
        "disk": {"kind": toolbox.disk, "promise": PROMISES[toolbox.disk]},
        "connected": standing.connected,
        "problem": standing.problem,
        "paused": standing.paused,
        "draining": Hold.DRAIN in standing.holds,
        "idle": dict(standing.idle),
        "idle_causes": [asdict(cause) for cause in idle_causes(facts_of(member, toolbox, slots))],
        "tasks_seen": tasks_seen(standing.idle),
        "chain": _chain(member),
        "gas": _gas(member),
        "stake": _account(member),
        "offers": asdict(standing.offers),
        "unread": dict(member.shell.unread),
        "replicates": [
            {
                "task_id": str(task_id),
                **show_replicate(each),
                **_stake(member.chain_watch.stake(task_id)),
            }
            for task_id, each in held
        ],
    }


def left_behind(member: PoolMember) -> dict[str, Any]:
    """Say for the log what a worker that ends still holds, and by when it must be back."""
    held = [name for name, each in member.shell.replicates.items() if not each.is_over]
    stakes = [member.chain_watch.stake(name) for name in held]
    times = [stake.reveal_by for stake in stakes if stake.reveal_by is not None]
    return {
        "held": len(held),
        "reveals_owed": sum(stake.reveal_owed for stake in stakes),
        "restart_before": show_moment(min(times)) if times else None,
        "kept": "the journal and all results" if held else None,
    }


def facts_of(member: PoolMember, toolbox: Toolbox, slots: int) -> IdleFacts:
    """Gather what the causes of idleness are told from."""
    account = member.wallet.account
    return IdleFacts(
        wallet=toolbox.worker,
        standing=member.standing,
        working=sum(map(_occupies_slot, member.shell.replicates.values())),
        slots=slots,
        gas=member.wallet.gas,
        is_short=member.wallet.is_short,
        free=account.stake if account else None,
        capped=member.wallet.capped,
    )


def _occupies_slot(replicate: Replicate) -> bool:
    return not (replicate.is_over or replicate.has_contributed or replicate.parked)


def _chain(member: PoolMember) -> dict[str, Any]:
    """Show how far the chain is, and since when it shows nothing new, by this machine's clock."""
    head = member.chain_watch.head
    return {
        "block": head.number if head else None,
        "block_time": head.timestamp if head else None,
        "stalled_since": member.chain_watch.stalled_since,
    }


def _gas(member: PoolMember) -> dict[str, Any]:
    gas = member.wallet.gas
    if gas is None:
        return {"balance_wei": None, "reserve_wei": None, "missing_wei": None}
    missing = gas.missing if member.wallet.is_short else None
    return {
        "balance_wei": gas.balance,
        "reserve_wei": gas.reserve,
        "missing_wei": missing,
    }


def _account(member: PoolMember) -> dict[str, Any]:
    account = member.wallet.account
    return {
        "free_nrlc": account.stake if account else None,
        "locked_nrlc": account.locked if account else None,
    }


def _stake(stake: ReplicateStake) -> dict[str, Any]:
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
