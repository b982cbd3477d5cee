"""What a pool's owner sees on its dashboard, described once: ``GET /v1/owner/dashboard``.

Moments are Unix seconds, durations seconds. Members are added, never renamed.
"""

from __future__ import annotations

from collections.abc import Mapping

from poolhand.domain.pool_alerts import AlertName, AlertWeight
from poolhand.domain.units import BlockNumber, NanoRlc, Seconds, Wei
from poolhand.wire.json_models import JsonAddress, Sentence, Told, Words
from poolhand.wire.pool_api import PoolHealth, PoolSummary


class AlertTold(Told):
    """One thing that the owner must see; ``weight`` is ``bad`` or ``warn``."""

    name: AlertName
    weight: AlertWeight
    sentence: Sentence
    change: Sentence


class EarnedTold(Told):
    """What the owner's account earned in some time (nRLC; gas in wei).

    ``won`` tasks paid it, ``failed`` ones cost it stake; ``paid`` are prices that it paid for tasks
    of its own.
    """

    won: int
    failed: int
    earned: NanoRlc
    lost: NanoRlc
    paid: NanoRlc
    gas: Wei


class DayEarned(EarnedTold):
    """One day (UTC, ISO 8601)."""

    day: Words


class PoolEarnings(Told):
    """What the chain says that the owner's account earned, from one block to another.

    ``today``, ``week`` (seven days, today's the last) and ``all`` are sums; ``days`` the
    last 30 days on which something moved, the newest first. ``whole`` is false while older
    blocks are still being read.
    """

    first_block: BlockNumber
    last_block: BlockNumber
    whole: bool
    date: Words
    today: EarnedTold
    week: EarnedTold
    all: EarnedTold
    days: tuple[DayEarned, ...]


class PoolDashboard(Told):
    """How the pool is: what everybody may know, and what its owner must.

    ``tasks`` counts all tasks by status, those that have settled included; ``waits`` is how long
    the task has waited that nobody is at for longest. ``settled`` and ``failed`` count replicates
    since the program was started, ``uptime`` ago: paid, and ended by their workers' fault.
    ``gas_days`` is how long the wallet's coin lasts at the pace since then, null where nothing was
    spent. ``transaction`` is how long the oldest transaction is under way, null where none is;
    ``disk`` are bytes free on the database's disk, null where it is another machine's. ``earnings``
    is null until the chain was read.
    """

    url: Words
    workerpool: JsonAddress
    owner: JsonAddress
    version: Words
    uptime: Seconds
    draining: bool
    cancels: bool
    health: PoolHealth
    summary: PoolSummary
    tasks: Mapping[str, int]
    waits: Seconds | None = None
    excluded: int = 0
    settled: int = 0
    failed: int = 0
    gas_days: float | None = None
    transactions: int = 0
    transaction: Seconds | None = None
    disk: int | None = None
    earnings: PoolEarnings | None = None
    alerts: tuple[AlertTold, ...] = ()
