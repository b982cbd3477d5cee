"""How long the task has waited that nobody is at for longest: looked up, not looked for."""

from __future__ import annotations

from collections.abc import Callable

from poolhand.domain.units import Seconds, UnixSeconds
from poolhand.scheduler.engine import Engine


class WaitingTasks:
    """Says how long the task has waited that nobody is at for longest.

    Args:
        engine: Has the tasks.
        now: The chain's time.
    """

    def __init__(self, engine: Engine, now: Callable[[], UnixSeconds]) -> None:
        self._engine, self._now = engine, now

    def longest(self) -> Seconds | None:
        """Return it; None where somebody is at every task."""
        since = self._engine.index.unattended.least()
        return None if since is None else Seconds(max(0, self._now() - since[0]))
