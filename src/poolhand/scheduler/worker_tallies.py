"""What workers have done for the pool, for its owner's eyes: counted, over restarts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from poolhand.domain.ids import Address
from poolhand.domain.replicate.status import Status
from poolhand.domain.task.judgement import Judgement
from poolhand.domain.task.model import Attempt, Task
from poolhand.domain.units import Seconds
from poolhand.ports.journal import EventLog
from poolhand.scheduler.journaled_map import JournaledMap, MapCodec

MOST_TALLIED: Final = 10_000
"""Workers that are counted; of more, who was not heard of for longest is forgotten."""


@dataclass(frozen=True, slots=True)
class WorkerTally:
    """Of one worker.

    Attributes:
        settled: Tasks that it settled on chain.
        failed: Replicates that ended by its fault.
        timed: Of the settled ones those whose times make sense.
        seconds: That it computed for these, by its own clock.
    """

    settled: int = 0
    failed: int = 0
    timed: int = 0
    seconds: int = 0

    @property
    def mean_seconds(self) -> float | None:
        """How long a task takes it; None before the first."""
        return round(self.seconds / self.timed, 1) if self.timed else None


class WorkerTallies:
    """Counts by worker; ``judged`` is to hear of each judgement, once.

    A crash may lose the count of what was judged last; nothing is counted twice.

    Args:
        journal: A stream for each worker; None forgets at a restart.
        most: How many workers are counted.

    Attributes:
        settled, failed: Of all workers together since the program was started, forgotten ones
            included: alerts are about now.
    """

    def __init__(self, journal: EventLog | None = None, most: int = MOST_TALLIED) -> None:
        codec = MapCodec(Address.parse, asdict, _decoded)
        self._known: JournaledMap[Address, WorkerTally] = JournaledMap(journal, codec, most)
        self.settled = self.failed = 0

    def recover(self) -> None:
        """Read what was counted before the program ended."""
        self._known.recover()

    def of(self, worker: Address) -> WorkerTally:
        """Return what is counted of one."""
        return self._known.get(worker) or WorkerTally()

    def judged(self, task: Task, attempt: Attempt, found: Judgement) -> None:
        """Count a judgement; what is the app's fault says nothing of a worker."""
        known = self.of(attempt.worker)
        if found is Judgement.SETTLED:
            self.settled += 1
            known = _timed(replace(known, settled=known.settled + 1), task, attempt)
        elif found is Judgement.WORKERS_FAULT:
            self.failed += 1
            known = replace(known, failed=known.failed + 1)
        else:
            return
        self._known.put(attempt.worker, known, durably=True)


def _timed(known: WorkerTally, task: Task, attempt: Attempt) -> WorkerTally:
    took = _computed_in(attempt)
    if took is None or not 0 <= took <= task.facts.period * 10:
        return known
    return replace(known, timed=known.timed + 1, seconds=known.seconds + took)


def _computed_in(attempt: Attempt) -> Seconds | None:
    """Return how long an app ran, as its worker tells (seconds); None where it does not."""
    began = next((each.at for each in attempt.log if each.status is Status.COMPUTING), None)
    ended = next((each.at for each in attempt.log if each.status is Status.COMPUTED), None)
    return None if began is None or ended is None else Seconds(ended - began)


def _decoded(record: Mapping[str, Any]) -> WorkerTally:
    return WorkerTally(**{name: int(value) for name, value in record.items()})
