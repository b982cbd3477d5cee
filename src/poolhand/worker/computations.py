"""What is told and remembered of computations that have ended."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Container
from typing import Final

import structlog

from poolhand.domain.ids import TaskId
from poolhand.ports.runtime import ContainerOutcome

MOST_OUTPUTS_TOLD_AGAIN: Final = 16
"""Ends of outputs that are kept to be told again."""

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
        self._ends: OrderedDict[TaskId, tuple[bytes, bytes]] = OrderedDict()

    def ended(self, task_id: TaskId, outcome: ContainerOutcome) -> None:
        """Take note of one that has ended, well or not."""
        self.durations.append(outcome.seconds)
        self._tell(task_id, outcome.stdout, outcome.stderr)
        self._ends.pop(task_id, None)
        self._ends[task_id] = outcome.stdout, outcome.stderr
        while len(self._ends) > MOST_OUTPUTS_TOLD_AGAIN:
            self._ends.popitem(last=False)
        if self._log_output:
            out, err = (text.decode(errors="replace") for text in (outcome.stdout, outcome.stderr))
            log.info("app_printed", task_id=str(task_id), stdout=out, stderr=err)

    def tell_again(self, held: Container[TaskId]) -> None:
        """Tell a new session how the last outputs ended: the pool may have been away then.

        Args:
            held: Tasks whose ends may still be wanted; those of all others are forgotten.
        """
        for task_id in [each for each in self._ends if each not in held]:
            del self._ends[task_id]
        for task_id, (stdout, stderr) in self._ends.items():
            self._tell(task_id, stdout, stderr)
