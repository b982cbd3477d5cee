"""What a worker reads of the chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from poolhand.domain.ids import Address
from poolhand.observe.outage_log import OutageLog
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.chain import Hub, Watcher
from poolhand.ports.clock import Clock
from poolhand.worker.briefs import Briefs
from poolhand.worker.horizon import Horizon
from poolhand.worker.stages.stake import StakeLook
from poolhand.worker.task_views import TaskViews

PAUSE_BETWEEN_CHAIN_TRIES: Final = 2.0
"""Pause between two tries to reach a chain that does not answer."""


@dataclass(frozen=True, slots=True)
class ChainParts:
    """Reads, and how long they are tried.

    Attributes:
        outage: Says that the chain is out of reach, and that it is back.
        retry: Asks the chain until it answers.
        horizon: From when on a node may be believed that something is missing.
        briefs: What there is to know of a task before it is taken.
        views: How a task stands, and this worker's contribution to it.
        stake: Whether there is enough of it for one more.
    """

    outage: OutageLog
    retry: ChainRetry
    horizon: Horizon
    briefs: Briefs
    views: TaskViews
    stake: StakeLook

    @classmethod
    def of(cls, address: Address, hub: Hub, watcher: Watcher, clock: Clock) -> ChainParts:
        """Make them, for one wallet."""
        outage, horizon = chain_outage("the worker"), Horizon()
        retry = ChainRetry(clock, outage, PAUSE_BETWEEN_CHAIN_TRIES)
        return cls(
            outage,
            retry,
            horizon,
            Briefs(hub, watcher, retry),
            TaskViews(address, hub, watcher, retry),
            StakeLook(address, hub, watcher, retry, horizon, clock),
        )
