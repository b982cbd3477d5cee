"""What the pool's owner decides of single workers."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.ports.clock import Clock
from poolhand.ports.journal import EventLog
from poolhand.scheduler.api.owner_workers import OwnersWorkers
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.reputations import ReputationParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.scheduler.exclusions import Exclusions
from poolhand.scheduler.owner_workers import OwnerWorkers
from poolhand.scheduler.worker_tallies import WorkerTallies
from poolhand.wire.handshake import WorkerBanned


@dataclass(frozen=True, slots=True)
class OwnerParts:
    """How the owner's word holds.

    Attributes:
        exclusions: Whom it keeps from work.
        orders: Carries out what it decides.
        workers: Shows it the workers.
        tallies: What each of them has done.
    """

    exclusions: Exclusions
    orders: OwnerWorkers
    workers: OwnersWorkers
    tallies: WorkerTallies

    @classmethod
    def of(
        cls,
        exclusions: Exclusions,
        common: CommonParts,
        proved: ReputationParts,
        sessions: SessionParts,
        clock: Clock,
        tally_log: EventLog | None,
        *,
        simulated: bool,
    ) -> OwnerParts:
        """Make them; ``simulated`` where there are no sockets, of which one could be ended."""

        def expel(worker: Address, why: WorkerBanned) -> None:
            sessions.sockets.drop(worker, why.code, str(why))
            if simulated:
                sessions.workers.lost(worker)

        directory = common.directory
        orders = OwnerWorkers(exclusions, directory, clock.now, sessions.mail.tell, expel)
        sessions.workers.arrived.connect(orders.arrived)
        tallies = WorkerTallies(tally_log)
        proved.assessor.judged.connect(tallies.judged)
        workers = OwnersWorkers(directory, common.engine.index, exclusions, orders, tallies)
        return cls(exclusions, orders, workers, tallies)
