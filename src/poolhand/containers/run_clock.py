"""How long containers have run: by our own clock where we started them, else by an engine's stamps.

Stamps are of a clock that people and time servers set, forwards as well as back, and an engine that
was killed may have none (it tells the year 1). Who asked for a start knows how long ago that was,
whatever became of engine and clock since; an engine that hung may have carried it out much later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

_NONE: Final = 1
"""Year of a stamp that the engine does not have."""


class RunClock:
    """Remembers when this process started containers.

    Args:
        now: Seconds since 1970, to compare with stamps.
        clock: Seconds since whenever, never turned back.
    """

    def __init__(
        self, now: Callable[[], float] = time.time, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._now, self._clock = now, clock
        self._began: dict[str, float] = {}

    def begin(self, name: str) -> None:
        """Note that the container of this name is asked to be started."""
        self._began[name] = self._clock()

    def forget(self, name: str) -> None:
        """Note that no container has this name any more."""
        self._began.pop(name, None)

    def spent(self, name: str, state: Mapping[str, Any]) -> float:
        """Return for how long a container has been running (s); ``state`` is the engine's."""
        started = _moment(state["StartedAt"])
        if started is None:
            return self._most(name, 0.0)
        return min(max(self._now() - started, 0.0), self._most(name, float("inf")))

    def was_late(self, name: str, state: Mapping[str, Any], timeout: float) -> bool:
        """Tell of a container that ended while nobody looked whether that took ``timeout`` (s)."""
        return min(seconds_of(state), self._most(name, float("inf"))) >= timeout

    def _most(self, name: str, unknown: float) -> float:
        """Return the longest that a container may have run (s), where we asked for its start."""
        return self._clock() - self._began[name] if name in self._began else unknown


def seconds_of(state: Mapping[str, Any]) -> float:
    """Return how long a container that ended ran, by its stamps; 0 where they make no sense."""
    started, finished = _moment(state["StartedAt"]), _moment(state["FinishedAt"])
    return 0.0 if started is None or finished is None else max(finished - started, 0.0)


def _moment(text: str) -> float | None:
    """Read a stamp (nanoseconds, ``Z``) as seconds since 1970; None where there is none."""
    found = datetime.fromisoformat(text).astimezone(UTC)
    return None if found.year == _NONE else found.timestamp()
