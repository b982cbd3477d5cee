"""What Prometheus reads of a worker; a gauge that is not known yet is NaN."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import partial
from math import nan
from statistics import fmean

from prometheus_client import CollectorRegistry, Gauge

from poolhand.worker.pool_member import PoolMember
from poolhand.worker.standing import Hold
from poolhand.worker.wallet_watch import WalletWatch

Read = tuple[str, str, Callable[[], float]]


def gauges(
    member: PoolMember, wallet: WalletWatch, durations: Collection[float]
) -> CollectorRegistry:
    """Return a registry of one worker's gauges; ``durations`` of its last computations (s)."""
    registry = CollectorRegistry()
    for name, meaning, read in (*_work(member, durations), *_money(wallet)):
        Gauge(f"poolhand_worker_{name}", meaning, registry=registry).set_function(read)
    paused = Gauge(
        "poolhand_worker_paused",
        "Whether nothing new is taken, by reason",
        ("reason",),
        registry=registry,
    )
    for hold in Hold:
        paused.labels(str(hold)).set_function(partial(member.standing.is_held, hold))
    return registry


def _work(member: PoolMember, durations: Collection[float]) -> Iterator[Read]:
    standing = member.standing
    yield "connected", "Whether the pool is connected", lambda: standing.connected
    yield "replicates", "Replicates held", lambda: len(member.shell.replicates)
    yield (
        "compute_seconds_max",
        "Longest of the last computations",
        lambda: max(durations, default=0.0),
    )
    yield (
        "compute_seconds_mean",
        "Mean of the last computations",
        lambda: fmean(durations) if durations else 0.0,
    )
    yield "compute_seconds_count", "How many computations these are of", lambda: len(durations)
    offers = standing.offers
    yield "offers_seen", "Offers since the start", lambda: offers.seen
    yield "offers_accepted", "Offers accepted since the start", lambda: offers.accepted
    yield "offers_declined", "Offers declined since the start", offers.declined.total


def _money(wallet: WalletWatch) -> Iterator[Read]:
    yield (
        "gas_balance_wei",
        "The wallet's coin",
        lambda: wallet.gas.balance if wallet.gas else nan,
    )
    yield (
        "gas_reserve_wei",
        "Kept for the gas of reveals owed",
        lambda: wallet.gas.reserve if wallet.gas else nan,
    )
    yield (
        "gas_missing_wei",
        "To be sent before anything new is taken",
        lambda: wallet.gas.missing if wallet.gas and wallet.is_short else 0,
    )
    yield (
        "stake_free_nrlc",
        "Free stake",
        lambda: wallet.account.stake if wallet.account else nan,
    )
    yield (
        "stake_locked_nrlc",
        "Locked stake",
        lambda: wallet.account.locked if wallet.account else nan,
    )
