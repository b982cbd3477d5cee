"""The worker's status page: JSON on loopback for ``poolhand worker status`` and for monitoring.

``GET /v1/status`` is a contract: members are added, never renamed. Amounts are in wei and nRLC,
moments in Unix seconds; null is what has not been looked at yet, or does not apply.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from poolhand import __version__
from poolhand.containers.disks import PROMISES, DiskKind
from poolhand.domain.ids import Address
from poolhand.domain.network_hosts import NetworkHost
from poolhand.domain.replicate.machine import Entry, Replicate
from poolhand.domain.replicate.status import STATUSES
from poolhand.domain.sandbox_level import Sandbox
from poolhand.domain.task.idle import tasks_seen
from poolhand.transport.described import DescribedRoute
from poolhand.transport.faults import ENDPOINT_FAULT_ANSWERS
from poolhand.transport.json_answer import JsonAnswer
from poolhand.worker.app_engine import AppEngine
from poolhand.worker.head_watch import HeadWatch
from poolhand.worker.held_replicates import slots_taken
from poolhand.worker.idle import IdleFacts, idle_causes, show_moment
from poolhand.worker.pool_member import PoolMember
from poolhand.worker.presence_watch import PresenceWatch
from poolhand.worker.stakes import ReplicateStake
from poolhand.worker.standing import Hold
from poolhand.worker.wallet_watch import WalletWatch
from poolhand.worker.working_hours import WorkingHours


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """What does not change of a worker while it runs.

    Attributes:
        name: As the operator calls it.
        folder: Where everything of it lies.
        worker: Its wallet.
        workerpool: Which it works for.
        slots: Tasks that it computes at once.
        disk: What keeps an app within its limit.
        sandbox: Tells what apps run in; None: not known yet, for the engine has not answered.
        hosts: That the operator allows to apps.
        tee: Shows each framework of confidential tasks that the operator names, and whether the
            pool has found it proved.
    """

    name: str
    folder: Path
    worker: Address
    workerpool: Address
    slots: int
    disk: DiskKind
    sandbox: Callable[[], Sandbox | None] = lambda: None
    hosts: tuple[NetworkHost, ...] = ()
    tee: Callable[[], list[dict[str, Any]]] = list


class WorkerTeller:
    """Says how a worker is.

    Args:
        who: It is.
        member: How it stands with its pool, and what it holds.
        wallet: Its gas and stake.
        heads: The chain as it sees it.
        hours: At which it takes tasks.
        presence: Of somebody at its computer.
        engine: Runs its apps, and gives them GPUs.
        upgrade: Tells of a newer version; None: none is known.
        payout: Tells what is paid out to whom; None: nothing.
        gas_worth: Tells what the coin of gas is worth.
    """

    def __init__(
        self,
        who: WorkerIdentity,
        member: PoolMember,
        wallet: WalletWatch,
        heads: HeadWatch,
        hours: WorkingHours,
        presence: PresenceWatch,
        engine: AppEngine,
        upgrade: Callable[[], dict[str, Any] | None] = lambda: None,
        payout: Callable[[], dict[str, Any] | None] = lambda: None,
        gas_worth: Callable[[], dict[str, Any] | None] = lambda: None,
    ) -> None:
        self._who, self._member, self._wallet, self._heads = who, member, wallet, heads
        self._hours, self._presence = hours, presence
        self._engine, self._upgrade, self._payout = engine, upgrade, payout
        self._gas_worth = gas_worth

    def show(self) -> dict[str, Any]:
        """Show its standing, its money, what it holds and why it takes nothing new."""
        who, member = self._who, self._member
        standing, held = member.standing, member.shell.replicates.items()
        return {
            "name": who.name,
            "folder": str(who.folder),
            "worker": str(who.worker),
            "workerpool": str(who.workerpool),
            "version": __version__,
            "upgrade": self._upgrade(),
            "slots": who.slots,
            "working": self._working(),
            "disk": {"kind": who.disk, "promise": PROMISES[who.disk]},
            "sandbox": _sandbox(who.sandbox()),
            "gpus": self._gpus(),
            "tee": who.tee(),
            "hosts": {
                "allowed": list(who.hosts),
                "reached": bool(standing.hosts),
                "problem": standing.hosts_lack,
            },
            "connected": standing.connected,
            "problem": standing.problem,
            "paused": standing.paused,
            "paused_until": standing.paused_until,
            "draining": Hold.DRAIN in standing.holds,
            "schedule": self._hours.show(),
            "machine": self._presence.show(),
            "idle": dict(standing.idle),
            "idle_causes": [asdict(cause) for cause in idle_causes(self.idle_facts())],
            "tasks_seen": tasks_seen(standing.idle),
            "owner_messages": [asdict(said) for said in standing.owner_messages.kept()],
            "chain": _chain(self._heads),
            "gas": _gas(self._wallet),
            "stake": _account(self._wallet),
            "payout": self._payout(),
            "gas_worth": self._gas_worth(),
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

    def health(self) -> dict[str, Any]:
        """Tell whether the worker is up and connected, and reads the chain."""
        trouble = self._heads.trouble
        connected = self._member.standing.connected
        return {"ok": not trouble, "connected": connected, "chain": trouble or None}

    def _gpus(self) -> list[dict[str, Any]]:
        """Show each GPU that tasks are given, with the task that has it."""
        tasks = self._member.shell.replicates
        given = {each: task for task in tasks if (each := self._engine.gpu_of(task))}
        return [
            {
                "number": each.number,
                "name": each.name,
                "maker": each.maker,
                "model": each.model,
                "task_id": str(given[each]) if each in given else None,
            }
            for each in self._engine.gpus.gpus
        ]

    def _working(self) -> int:
        """Count the replicates that occupy a slot."""
        return slots_taken(self._member.shell.replicates.values())

    def idle_facts(self) -> IdleFacts:
        """Gather what the causes of idleness are told from."""
        account, wallet = self._wallet.account, self._wallet
        return IdleFacts(
            wallet=self._who.worker,
            standing=self._member.standing,
            working=self._working(),
            slots=self._who.slots,
            gas=wallet.gas,
            is_short=wallet.is_short,
            free=account.stake if account else None,
            capped=wallet.capped,
        )


OPEN_PATHS: Final = frozenset(
    {
        "/", "/page/static/{name}",
        "/doctor", "/version", "/health", "/metrics", "/v1/status", "/v1/doctor",
    }
)  # fmt: skip
"""What is told without a token, to whoever is on this computer: of the page, its frame alone."""


def routes(teller: WorkerTeller, registry: CollectorRegistry) -> tuple[BaseRoute, ...]:
    """Return the endpoints; none of them changes anything.

    Args:
        teller: Says how the worker is.
        registry: What is measured.
    """

    async def version(_: Request) -> Response:
        """Tell the version as text."""
        return Response(__version__, media_type="text/plain")

    async def health(_: Request) -> JsonAnswer:
        """Tell whether the worker is up and connected, and reads the chain."""
        return JsonAnswer(teller.health())

    async def metrics(_: Request) -> Response:
        """Serve Prometheus metrics."""
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    async def status(_: Request) -> JsonAnswer:
        """Tell what the worker does, and why it does nothing when it does nothing."""
        return JsonAnswer(teller.show())

    return (
        DescribedRoute("/version", version, "GET", dict),
        DescribedRoute("/health", health, "GET", _members),
        DescribedRoute("/metrics", metrics, "GET", dict),
        DescribedRoute("/v1/status", status, "GET", _members),
    )


def _members() -> dict[str, Any]:
    return {"response_model": dict[str, Any], "responses": ENDPOINT_FAULT_ANSWERS}


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


def _sandbox(found: Sandbox | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "level": found.level,
        "promise": found.promise,
        "runtime": found.runtime or None,
        "passed_over": [{"runtime": name, "cause": why} for name, why in found.passed_over],
    }


def _chain(heads: HeadWatch) -> dict[str, Any]:
    """Show how far the chain is, and since when it shows nothing new, by this machine's clock."""
    return {
        "block": heads.head.number if heads.head else None,
        "block_time": heads.head.timestamp if heads.head else None,
        "stalled_since": heads.stalled_since,
    }


def _gas(wallet: WalletWatch) -> dict[str, Any]:
    gas = wallet.gas
    if gas is None:
        return {"balance_wei": None, "reserve_wei": None, "missing_wei": None}
    missing = gas.missing if wallet.is_short else None
    return {
        "balance_wei": gas.balance,
        "reserve_wei": gas.reserve,
        "missing_wei": missing,
    }


def _account(wallet: WalletWatch) -> dict[str, Any]:
    account = wallet.account
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
