"""What all other parts of a pool stand on."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.deal import Deal
from poolhand.domain.ids import DealId
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.outage_log import OutageLog
from poolhand.observe.retry import ChainRetry, chain_outage
from poolhand.ports.clock import Clock
from poolhand.ports.journal import EventLog
from poolhand.scheduler.chain_time import ChainTime
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.plan_due import PlanDue
from poolhand.scheduler.settled import SettledTasks
from poolhand.scheduler.worker_directory import WorkerDirectory


@dataclass(frozen=True, slots=True)
class CommonParts:
    """Tasks, workers and deals as they are known, the time, and asking again.

    Attributes:
        engine: Keeps the open tasks; the one door for all that happens to them.
        settled: Tasks that are rows by now.
        directory: Keeps the connected workers.
        known_deals: Deals by their names; ``Deals`` fills it.
        time: The newest block's.
        due: Whether a plan is asked for.
        outage: Says that the chain is out of reach, and that it is back.
        retry: Asks the chain until it answers.
    """

    engine: Engine
    settled: SettledTasks
    directory: WorkerDirectory
    known_deals: dict[DealId, Deal]
    time: ChainTime
    due: PlanDue
    outage: OutageLog
    retry: ChainRetry

    @classmethod
    def on(cls, journal: EventLog, clock: Clock, boundary: FaultBoundary | None) -> CommonParts:
        """Make them, on the journal of tasks."""
        engine, settled = Engine(journal, boundary), SettledTasks(journal.archive)
        engine.left.connect(settled.left)
        outage = chain_outage("the scheduler")
        return cls(
            engine,
            settled,
            WorkerDirectory(),
            {},
            ChainTime(clock),
            PlanDue(),
            outage,
            ChainRetry(clock, outage),
        )
