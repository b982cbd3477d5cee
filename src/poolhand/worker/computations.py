"""What is told and remembered of computations that have ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import structlog

from poolhand.domain.ids import TaskId
from poolhand.ports.runtime import ContainerOutcome

log = structlog.get_logger()


class Computations:
    """Tells what apps printed, and remembers how long the last ones took.

    Args:
        tell: Told what an app printed.
        most: Computations that are remembered.
        log_output: Whether what apps print goes into the worker's own log, too.

    Attributes:
        durations: Of the last computations (seconds).
    """

    def __init__(
        self, tell: Callable[[TaskId, bytes, bytes], None], most: int, *, log_output: bool
    ) -> None:
        self._tell, self._log_output = tell, log_output
        self.durations: deque[float] = deque(maxlen=most)

    def ended(self, task_id: TaskId, outcome: ContainerOutcome) -> None:
        """Take note of one that has ended, well or not."""
        self.durations.append(outcome.seconds)
        self._tell(task_id, outcome.stdout, outcome.stderr)
        if self._log_output:
            out, err = (text.decode(errors="replace") for text in (outcome.stdout, outcome.stderr))
            log.info("app_printed", task_id=str(task_id), stdout=out, stderr=err)
