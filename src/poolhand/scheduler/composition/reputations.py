"""Who has proved what: workers, apps and requesters."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.ports.clock import Clock
from poolhand.ports.journal import EventLog
from poolhand.scheduler.assessor import Assessor, Memory
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.open_tasks import OpenTasks
from poolhand.scheduler.self_watch import SelfWatch
from poolhand.settings.pool import PoolSettings


@dataclass(frozen=True, slots=True)
class ReputationParts:
    """What is remembered of others, and who judges.

    Attributes:
        memory: What each has proved.
        self_watch: Whether the pool itself was there: else it calls nobody late.
        assessor: Judges by what became of tasks.
        open_tasks: How many each requester has.
    """

    memory: Memory
    self_watch: SelfWatch
    assessor: Assessor
    open_tasks: OpenTasks

    @classmethod
    def on(
        cls, journal: EventLog | None, settings: PoolSettings, common: CommonParts, clock: Clock
    ) -> ReputationParts:
        """Make them, on the journal of reputations; None forgets at a restart."""
        rules, deals = settings.placement, common.known_deals
        memory = Memory.on(journal, settings.allowed | settings.trusted)
        self_watch = SelfWatch(clock, rules.take_up)
        assessor = Assessor(
            common.engine,
            common.directory,
            deals,
            memory,
            rules,
            common.time.now,
            self_watch.is_sure,
        )
        return cls(memory, self_watch, assessor, OpenTasks(common.engine, deals))
