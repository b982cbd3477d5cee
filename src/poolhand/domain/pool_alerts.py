"""What a pool's owner must see at once: the few things that cost money or trust. Pure.

The rules for Prometheus (``monitoring/alerts.yml``) bear the same names, for those who are not
looking at the page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from poolhand.domain.units import DAY, NanoRlc, Seconds, Wei, show_coin, show_duration, show_rlc

FEW_DAYS: Final = 3
"""Days that gas should last at least."""
LONG_WAIT: Final = Seconds(600)
"""How long a task may wait while slots are free, before anybody is at it."""
VERY_LONG_WAIT: Final = Seconds(6 * 3600)
"""How long it may wait for its turn in a long bag."""
STUCK_AFTER: Final = Seconds(300)
"""How long a transaction may be under way."""
LITTLE_DISK: Final = 1 << 30
"""Bytes that should be free on the disk of the database."""
MANY_FAULTS: Final = 0.1
"""Share of replicates that may end by their workers' fault."""
ENOUGH_JUDGED: Final = 20
"""Replicates from which on that share says something."""


class AlertName(StrEnum):
    """As in the rules for Prometheus, whose names are these in CamelCase; they never change."""

    CHAIN_AWAY = "chain-away"
    OUT_OF_GAS = "out-of-gas"
    GAS_SOON_OUT = "gas-soon-out"
    STAKE_TOO_LOW = "stake-too-low"
    NO_WORKERS = "no-workers"
    QUEUE_GROWS = "queue-grows"
    REPLICATES_FAIL = "replicates-fail"
    TRANSACTION_STUCK = "transaction-stuck"
    DISK_FULL = "disk-full"


class AlertWeight(StrEnum):
    """How much one matters."""

    BAD = "bad"
    WARN = "warn"


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What alerts are told from; None is what is not known.

    Attributes:
        chain: Why the chain cannot be read.
        gas_missing: What the wallet lacks for what is owed and one task more (wei).
        gas_message: Who must act on that.
        gas_days: How long the wallet's coin lasts at the pace since the start.
        stake_missing: What the owner must deposit before one task can be sold (nRLC).
        workers: That are connected.
        open_tasks: Whose story is not over.
        waits: How long the task has waited that nobody is at for longest.
        has_room: Whether a slot of a worker is free.
        judged, failed: Replicates that ended, and those among them by their workers' fault.
        transaction: How long the oldest transaction is under way.
        disk: Bytes free on the database's disk.
    """

    chain: str | None = None
    gas_missing: Wei = Wei(0)
    gas_message: str | None = None
    gas_days: float | None = None
    stake_missing: NanoRlc = NanoRlc(0)
    workers: int = 0
    open_tasks: int = 0
    waits: Seconds | None = None
    has_room: bool = True
    judged: int = 0
    failed: int = 0
    transaction: Seconds | None = None
    disk: int | None = None


@dataclass(frozen=True, slots=True)
class PoolAlert:
    """One thing: what it is, and what to do."""

    name: AlertName
    weight: AlertWeight
    sentence: str
    change: str


def gas_lasts(balance: Wei | None, spent: Wei, since: Seconds) -> float | None:
    """Return for how many days a balance lasts at the pace of a time; None where nobody can say.

    Args:
        balance: Of the wallet (wei).
        spent: In that time (wei).
        since: How long that was.
    """
    if balance is None or spent <= 0 or since < 600:
        return None
    return round(balance * since / spent / DAY, 1)


def pool_alerts(figures: PoolFigures) -> tuple[PoolAlert, ...]:
    """Return what its owner must see, the worst first."""
    found = (*_chain(figures), *_money(figures), *_work(figures), *_machine(figures))
    return tuple(sorted(found, key=lambda each: each.weight is not AlertWeight.BAD))


def _chain(figures: PoolFigures) -> Iterator[PoolAlert]:
    if figures.chain is not None:
        yield PoolAlert(
            AlertName.CHAIN_AWAY,
            AlertWeight.BAD,
            f"the chain cannot be read: {figures.chain}",
            "check the nodes (--rpc); the pool tries again by itself",
        )
    if figures.transaction is not None and figures.transaction >= STUCK_AFTER:
        yield PoolAlert(
            AlertName.TRANSACTION_STUCK,
            AlertWeight.BAD,
            f"a transaction has been under way for {show_duration(figures.transaction)}",
            "check the nodes, and whether --gas-price-cap is too low for the chain",
        )


def _money(figures: PoolFigures) -> Iterator[PoolAlert]:
    if figures.gas_missing or figures.gas_message:
        yield PoolAlert(
            AlertName.OUT_OF_GAS,
            AlertWeight.BAD,
            figures.gas_message or "the wallet cannot pay for what is owed",
            f"send {show_coin(figures.gas_missing)} coins to the pool's wallet at least"
            if figures.gas_missing
            else "change what is said above; the pool tries again by itself",
        )
    elif figures.gas_days is not None and figures.gas_days < FEW_DAYS:
        yield PoolAlert(
            AlertName.GAS_SOON_OUT,
            AlertWeight.WARN,
            f"the wallet's coin lasts {figures.gas_days:g} days at the present pace",
            "send coin to the pool's wallet",
        )
    if figures.stake_missing:
        yield PoolAlert(
            AlertName.STAKE_TOO_LOW,
            AlertWeight.BAD,
            "the owner's free stake does not suffice for one task: nothing is sold",
            f"deposit at least {show_rlc(figures.stake_missing)} RLC: `poolhand account deposit "
            f"{show_rlc(figures.stake_missing)}` on the pool's machine",
        )


def _work(figures: PoolFigures) -> Iterator[PoolAlert]:
    if not figures.workers:
        yield PoolAlert(
            AlertName.NO_WORKERS,
            AlertWeight.BAD if figures.open_tasks else AlertWeight.WARN,
            f"no worker is connected, {figures.open_tasks} task(s) are open",
            "check the pool's address and its proxy; the page /join brings workers",
        )
    bearable = LONG_WAIT if figures.has_room else VERY_LONG_WAIT
    if figures.waits is not None and figures.waits >= bearable:
        yield PoolAlert(
            AlertName.QUEUE_GROWS,
            AlertWeight.WARN,
            f"a task has waited {show_duration(figures.waits)}, and nobody is at it",
            "`poolhand task show` says why nobody can do it; more workers, or fewer sales",
        )
    if figures.judged >= ENOUGH_JUDGED and figures.failed > MANY_FAULTS * figures.judged:
        share = round(100 * figures.failed / figures.judged)
        yield PoolAlert(
            AlertName.REPLICATES_FAIL,
            AlertWeight.WARN,
            f"{share} % of {figures.judged} replicates ended by their workers' fault",
            "look below for the workers that fail: message, drain or ban them",
        )


def _machine(figures: PoolFigures) -> Iterator[PoolAlert]:
    if figures.disk is not None and figures.disk < LITTLE_DISK:
        yield PoolAlert(
            AlertName.DISK_FULL,
            AlertWeight.BAD,
            f"{figures.disk / 2**20:,.0f} MiB are free on the disk of the database",
            "free some space: a full disk ends the pool's program",
        )
