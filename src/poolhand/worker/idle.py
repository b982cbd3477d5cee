"""Why a worker runs nothing, or nothing more: causes in the order in which to fix them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from poolhand.domain.doctor.machine import GOES_ON_BY_ITSELF
from poolhand.domain.gas_reserve import WalletGas
from poolhand.domain.ids import Address
from poolhand.domain.replicate.status import Party
from poolhand.domain.task.idle import REMEDIES, IdleReason, stake_missing, stake_remedy
from poolhand.domain.units import NanoRlc, UnixSeconds, show_coin, show_rlc
from poolhand.worker.standing import Hold, WorkerStanding
from poolhand.worker.wallet_watch import shortage


@dataclass(frozen=True, slots=True)
class IdleCause:
    """One cause; ``code`` never changes its meaning, ``acts`` is who can fix it and how."""

    code: str
    sentence: str
    acts: Party
    change: str


@dataclass(frozen=True, slots=True)
class IdleFacts:
    """What the causes are told from.

    Attributes:
        wallet: The worker's.
        standing: With pool and operator.
        working: Replicates that occupy a slot.
        slots: Of the worker.
        gas: The wallet's gas; None before the first look.
        is_short: Whether nothing new is taken for lack of gas.
        free: Free stake (nRLC); None before the first look.
        capped: Says that the cap on the price of gas is too low; None while it is not.
    """

    wallet: Address
    standing: WorkerStanding
    working: int
    slots: int
    gas: WalletGas | None
    is_short: bool
    free: NanoRlc | None
    capped: str | None = None


_ACTORS: Final = {
    IdleReason.DRAINED: Party.SCHEDULER,
    IdleReason.NEEDS_GPU: Party.OPERATOR,
    IdleReason.NEEDS_TEE: Party.OPERATOR,
    IdleReason.GPUS_BUSY: Party.WORKER,
    IdleReason.TOO_MUCH_WAITS: Party.OPERATOR,
    IdleReason.STAKE_TOO_LOW: Party.OPERATOR,
    IdleReason.POOL_OUT_OF_GAS: Party.SCHEDULER,
    IdleReason.UNSURE: Party.SCHEDULER,
}
"""Who can change what the pool names; for all others a requester with another task."""
_TOLD_ELSEWHERE: Final = (
    IdleReason.PAUSED,
    IdleReason.NO_OPEN_TASK,
    IdleReason.STAKE_MISSING,
    IdleReason.BUSY,
)


def idle_causes(facts: IdleFacts) -> tuple[IdleCause, ...]:
    """Return why nothing new is taken; empty while a task runs and more would be taken.

    A worker all of whose slots are busy has one cause, ``busy``, unless something keeps it from
    taking the next task as well.
    """
    obstacles = (*_pool(facts.standing), *_holds(facts))
    if obstacles:
        return obstacles
    if facts.working >= facts.slots:
        busy = "its only slot computes" if facts.slots == 1 else f"all {facts.slots} slots compute"
        return (IdleCause("busy", busy, Party.WORKER, "wait for a slot, or give it more CPUs"),)
    if facts.working:
        return ()
    return tuple(_skipped(facts)) or (_no_task(),)


def _pool(standing: WorkerStanding) -> Iterator[IdleCause]:
    if standing.connected:
        return
    problem = standing.problem or "no session"
    if standing.refused:
        change = "fix what the pool names, then start the worker again"
        yield IdleCause("pool-refuses", problem, Party.OPERATOR, change)
    elif standing.away_since is None:
        yield IdleCause("starting", "the worker has just started", Party.WORKER, "wait a moment")
    else:
        since = f"no session with the pool since {show_moment(standing.away_since)}: {problem}"
        at = "soon" if standing.next_try is None else f"at {show_moment(standing.next_try)}"
        change = f"the worker tries again {at}; if that lasts, check the pool's URL and the network"
        yield IdleCause("pool-unreachable", since, Party.SCHEDULER, change)


_HELD: Final = {
    Hold.OPERATOR: ("paused", "paused by the operator: {}", "`poolhand worker resume`"),
    Hold.SCHEDULE: ("schedule", "{}", "`poolhand worker set schedule=always`"),
    Hold.IN_USE: ("in-use", "{}", "`poolhand worker set in-use=work`"),
    Hold.BATTERY: ("battery", "{}", "plug it in, or `poolhand worker set on-battery=work`"),
    Hold.PROGRAM: ("program", "{}", "end it, or `poolhand worker set rest-while=`"),
    Hold.HEAT: ("heat", "{}", f"let it cool down, or set hottest higher; {GOES_ON_BY_ITSELF}"),
    Hold.DRAIN: ("draining", "{}", "`poolhand worker resume` takes it back"),
    Hold.DISK: ("disk", "{}", f"free some space; {GOES_ON_BY_ITSELF}"),
    Hold.ENGINE_DISK: (
        "engine-disk",
        "{}",
        f"free some space on the engine's disk, as with docker system prune; {GOES_ON_BY_ITSELF}",
    ),
    Hold.CLUSTER: (
        "cluster",
        "{}",
        f"wait until the cluster has room, or ask its operator; {GOES_ON_BY_ITSELF}",
    ),
    Hold.PRICE: (
        "coin-price",
        "{}",
        f"look at coin-price-from, or `poolhand worker set coin-price=`; {GOES_ON_BY_ITSELF}",
    ),
    Hold.CHAIN: (
        "chain-stalled",
        "{}",
        f"check the RPC endpoints (--rpc), or wait until the chain goes on; {GOES_ON_BY_ITSELF}",
    ),
}
"""Code, cause and remedy of what the operator can end, in this order."""


def _holds(facts: IdleFacts) -> Iterator[IdleCause]:
    holds, ends = facts.standing.holds, facts.standing.ends
    for hold, (code, cause, remedy) in _HELD.items():
        if hold in holds:
            wait = "wait: it ends by itself; or " if hold in ends else ""
            yield IdleCause(code, cause.format(holds[hold]), Party.OPERATOR, wait + remedy)
    if facts.capped:
        yield IdleCause(
            "gas-cap", facts.capped, Party.OPERATOR,
            "start the worker with a higher --gas-price-cap, or wait for cheaper gas",
        )  # fmt: skip
    if facts.is_short and facts.gas is not None:
        yield IdleCause(
            "gas", shortage(facts.gas, facts.wallet), Party.OPERATOR,
            f"send {show_coin(facts.gas.missing)} coins to {facts.wallet}, or lower the gas "
            f"price cap; {GOES_ON_BY_ITSELF}",
        )  # fmt: skip
    yield from _pool_holds(holds)


def _pool_holds(holds: Mapping[Hold, str]) -> Iterator[IdleCause]:
    if Hold.RESULTS in holds:
        yield IdleCause(
            "results-forbidden",
            holds[Hold.RESULTS],
            Party.OPERATOR,
            "start it again with that place in POOLHAND_ALLOWED_HOSTS, or ask the pool's owner for "
            "a public one",
        )


def _skipped(facts: IdleFacts) -> Iterator[IdleCause]:
    """Tell what the pool told of the tasks it looked at, those of the operator's first."""
    reasons = facts.standing.idle
    counted = [(word, count) for word, count in reasons.items() if word not in _TOLD_ELSEWHERE]
    for word, count in sorted(counted, key=lambda each: each[0] != IdleReason.STAKE_TOO_LOW):
        seen = f"{count} task{'' if count == 1 else 's'} skipped by the pool: {word}"
        if word == IdleReason.STAKE_TOO_LOW:
            yield _stake(facts, seen)
        elif word in REMEDIES:
            reason = IdleReason(word)
            actor = _ACTORS.get(reason, Party.REQUESTER)
            yield IdleCause(f"skipped-{_slug(reason)}", seen, actor, REMEDIES[reason])
        else:
            yield IdleCause("skipped", seen, Party.REQUESTER, "wait for another task")


def _stake(facts: IdleFacts, seen: str) -> IdleCause:
    missing = stake_missing(facts.standing.idle)
    free = "" if facts.free is None else f" ({show_rlc(facts.free)} RLC are free)"
    return IdleCause(
        "stake",
        f"{seen}{free}",
        Party.OPERATOR,
        f"{stake_remedy(facts.wallet, missing)}; {GOES_ON_BY_ITSELF}",
    )


def _no_task() -> IdleCause:
    return IdleCause(
        "no-task", "the pool has no open task for this worker", Party.REQUESTER,
        "wait for a requester to buy; nothing is wrong here",
    )  # fmt: skip


def _slug(reason: IdleReason) -> str:
    return reason.name.lower().replace("_", "-")


def show_moment(at: UnixSeconds) -> str:
    """Write a moment for a person (UTC)."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
