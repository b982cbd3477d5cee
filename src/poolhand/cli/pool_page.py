"""How a pool is, for programs and for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.text import Text

from poolhand.cli.render import coin, grid, moment, pairs, rlc
from poolhand.domain.reward import scheduler_stake
from poolhand.domain.task.idle import IdleReason
from poolhand.domain.text import shown
from poolhand.domain.units import NanoRlc, show_rlc

if TYPE_CHECKING:
    from rich.console import RenderableType

    from poolhand.domain.deal import Workerpool
    from poolhand.domain.ids import Address
    from poolhand.requester.balances import Balances
    from poolhand.transport.pool_client import PoolStanding
    from poolhand.wire.pool_api import WorkerNews
    from poolhand.wire.pool_enclaves import TeeProofTold

MOST_DESCRIPTION_SHOWN: int = 200
"""Characters of a description."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pool and the chain say of the pool."""

    url: str
    told: PoolStanding
    owner: Balances
    registered: Workerpool | None

    @property
    def least(self) -> NanoRlc:
        """What one task of the cheapest category locks of the owner's stake (nRLC)."""
        return min(map(scheduler_stake, self.told.config.prices.values()), default=NanoRlc(0))

    @property
    def problems(self) -> list[str]:
        """Why nothing is sold, or will not be for long; empty where all is well."""
        return list(dict.fromkeys(self._problems()))

    def _problems(self) -> Iterator[str]:
        told, health, free = self.told.config, self.told.health, self.owner.account.stake
        if self.registered is None:
            yield f"the chain has no workerpool {told.workerpool}: the pool is on another chain"
        elif self.registered.owner != told.owner:
            yield f"the chain says that {self.registered.owner} owns {told.workerpool}"
        if health.sells_nothing_because:
            yield health.sells_nothing_because
        elif free < self.least:
            yield (
                f"its owner {told.owner} has {show_rlc(free)} RLC of free stake, and the cheapest "
                f"task locks {show_rlc(self.least)} RLC of it: the owner must deposit "
                "(`poolhand account deposit`, on the pool's machine while it runs)"
            )
        if health.gas.message:
            yield health.gas.message


def standing_members(seen: Seen) -> dict[str, Any]:
    """Return a pool's standing (nRLC, wei)."""
    told, health, owner = seen.told.config, seen.told.health, seen.owner
    return {
        "url": seen.url,
        "workerpool": str(told.workerpool),
        "owner": str(told.owner),
        "version": told.version,
        "role": health.role,
        "leader": health.leader,
        "block": health.block,
        "workers": health.workers,
        "paused_workers": health.idle.get(IdleReason.PAUSED, 0),
        "idle_workers": dict(health.idle),
        "open_tasks": health.open_tasks,
        "prices_nrlc": {str(category): price for category, price in told.prices.items()},
        "sells": health.sells,
        "owner_free_nrlc": owner.account.stake,
        "owner_locked_nrlc": owner.account.locked,
        "least_deposit_nrlc": seen.least,
        "owner_coin_wei": owner.coin,
        "problems": seen.problems,
    }


def standing_report(seen: Seen) -> RenderableType:
    """Return the same for a person."""
    parts: list[RenderableType] = [pairs(_rows(seen))]
    problems = seen.problems
    if problems:
        parts.append(
            Text("\nwhat keeps it from selling" if not seen.told.health.sells else "\nto know")
        )
        parts += [Text(f"- {each}") for each in problems]
    return Group(*parts)


def _rows(seen: Seen) -> list[tuple[str, Any]]:
    told, health, owner = seen.told.config, seen.told.health, seen.owner
    prices = ", ".join(f"category {n}: {rlc(price)}" for n, price in sorted(told.prices.items()))
    paused = health.idle.get(IdleReason.PAUSED, 0)
    free, locked = owner.account.stake, owner.account.locked
    deposit = f"{rlc(free)} free, {rlc(locked)} locked; a task locks at least {rlc(seen.least)}"
    sells = {None: "it does not say", True: "yes", False: "no"}[health.sells]
    return [
        ("pool", seen.url),
        ("workerpool", told.workerpool),
        ("owner", told.owner),
        ("version", told.version),
        (
            "role",
            f"stands by: {health.leader or 'nobody yet'} leads"
            if health.role == "standby"
            else "leads",
        ),
        ("chain", None if health.block is None else f"block {health.block}"),
        ("workers", f"{health.workers}, {paused} of them paused" if paused else health.workers),
        ("why they get no more", _lines(health.idle)),
        ("open tasks", health.open_tasks),
        ("sells now", sells),
        ("prices per task", prices or "none"),
        ("owner's deposit", deposit),
        ("owner's coin for gas", coin(owner.coin)),
    ]


def _lines(idle: Mapping[str, int]) -> str | None:
    """Return how many workers are given nothing more for which reason, a line each."""
    return "\n".join(f"{reason} ({count})" for reason, count in idle.items()) or None


def _proof(told: TeeProofTold) -> str:
    simulated = " (SIMULATED: nothing is kept secret there)" if told.simulated else ""
    return f"{told.framework}{simulated} at {moment(told.at)}, firmware {told.tcb_status}"


def worker_report(worker: WorkerNews) -> RenderableType:
    """Return a worker as its pool sees it, and why it is given nothing more."""
    stake = None if worker.stake is None else rlc(worker.stake)
    missing = rlc(worker.stake_missing) if worker.stake_missing else None
    rows = [
        ("worker", worker.worker),
        ("name", worker.name or None),
        ("version", worker.version or None),
        ("enclaves proved", "\n".join(map(_proof, worker.tee_proofs)) or None),
        ("slots", worker.slots),
        ("replicates", worker.replicates),
        ("score", worker.score),
        ("free stake", stake),
        ("stake missing", missing),
        ("paused", (worker.reason or "yes") if worker.paused else "no"),
    ]
    told = [(each.tasks or "", each.reason, each.remedy) for each in worker.idle]
    return Group(pairs(rows), Text(), grid(("tasks", "why not given", "what helps"), told))


def pool_members(pool: Workerpool) -> dict[str, Any]:
    """Return a workerpool of the chain."""
    return {
        "address": str(pool.address),
        "description": pool.description,
        "worker_stake_percent": pool.worker_stake_percent,
        "scheduler_percent": pool.scheduler_percent,
    }


def pools_report(owner: Address, pools: Sequence[Workerpool]) -> RenderableType:
    """Return an owner's workerpools for a person, addresses whole on lines of their own."""
    if not pools:
        return f"{owner} owns no workerpool: `poolhand pool create` makes one"
    parts: list[RenderableType] = []
    for each in pools:
        parts.append(Text(f"{each.address}"))
        terms = f"workers lock {each.worker_stake_percent} %, the pool keeps "
        parts.append(Text(f"  {shown(each.description, MOST_DESCRIPTION_SHOWN)}"))
        parts.append(Text(f"  {terms}{each.scheduler_percent} %"))
    return Group(*parts)
