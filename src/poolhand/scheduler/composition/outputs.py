"""What apps print: kept for a while, and passed on to those who read it."""

from __future__ import annotations

from dataclasses import dataclass

from poolhand.domain.ids import Address
from poolhand.ports.clock import Clock
from poolhand.ports.output_spool import OutputSpool
from poolhand.scheduler.composition.common import CommonParts
from poolhand.scheduler.composition.sessions import SessionParts
from poolhand.scheduler.kept_logs import KeptLogs
from poolhand.scheduler.task_feeds import TaskFeeds
from poolhand.scheduler.task_logs import TaskLogs
from poolhand.store.output_memory import MemoryOutputSpool
from poolhand.wire.messages import Logs, TaskOutput, WorkProgress


@dataclass(frozen=True, slots=True)
class OutputParts:
    """Where it goes.

    Attributes:
        logs: Have what came.
        feeds: Pass on what comes.
    """

    logs: TaskLogs
    feeds: TaskFeeds

    @classmethod
    def of(
        cls,
        common: CommonParts,
        sessions: SessionParts,
        clock: Clock,
        spool: OutputSpool | None,
    ) -> OutputParts:
        """Make them; without a spool what was printed goes with the process."""
        kept = spool or MemoryOutputSpool()
        logs = TaskLogs(KeptLogs(), kept, clock)
        hand = sessions.mail.hand
        feeds = TaskFeeds(common.engine, common.directory, hand, kept, logs, clock)

        def printed(worker: Address, message: Logs | TaskOutput | WorkProgress) -> None:
            if isinstance(message, Logs):
                logs.keep(worker, message.task_id, message.stdout, message.stderr)
            else:
                feeds.received(worker, message)

        sessions.workers.printed.connect(printed)
        sessions.workers.arrived.connect(feeds.arrived)
        return cls(logs, feeds)
