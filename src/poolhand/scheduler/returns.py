"""After a start: who of those that held tasks before is missing, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.returns import is_awaited
from poolhand.domain.task.machine import Lost
from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.scheduler.engine import Engine

PAUSE_BETWEEN_RETURN_LOOKS: Final = 1
"""Seconds between two looks at who is missing."""

log = structlog.get_logger()


class Returns:
    """Gives workers time to come back, then goes on without.

    Args:
        is_here: Whether a worker is connected.
        now: The chain's time.
        wake: Called when somebody's task may be given to others.
    """

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        is_here: Callable[[Address], bool],
        now: Callable[[], UnixSeconds],
        wake: Callable[[], None],
    ) -> None:
        self._engine, self._clock, self._is_here = engine, clock, is_here
        self._now, self._wake = now, wake
        self._came: set[Address] | None = set()
        self._latest = clock.steady()

    def arrived(self, worker: Address) -> None:
        """Note that a worker has come, as long as any is missing."""
        if self._came is not None:
            self._came.add(worker)
            self._latest = self._clock.steady()

    async def wait(self) -> None:
        """Return when nobody is missing any more, or expected."""
        started, began = self._clock.steady(), self._now()
        missing = {
            (attempt.worker, task.facts.task_id): Seconds(task.facts.contribution_deadline - began)
            for task in self._engine.open_tasks()
            for attempt in task.attempts
            if attempt.live and not attempt.is_over
        }
        while missing:
            await self._clock.sleep(PAUSE_BETWEEN_RETURN_LOOKS)
            missing = {held: left for held, left in missing.items() if not self._is_here(held[0])}
            for (worker, task_id), left in tuple(missing.items()):
                if not self._expects(started, left):
                    del missing[worker, task_id]
                    self._give_up(worker, task_id)
        self._came = None

    def _expects(self, started: UnixSeconds, left: Seconds) -> bool:
        came = len(self._came or ())
        return is_awaited(self._clock.steady(), started, came, self._latest, left)

    def _give_up(self, worker: Address, task_id: TaskId) -> None:
        log.warning("worker_did_not_return", worker=str(worker), task_id=str(task_id))
        self._engine.feed(task_id, Lost(self._now(), worker))
        self._wake()
