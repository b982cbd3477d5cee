"""Several journals in one: each section sees the streams under its own prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from poolhand.ports.journal import EventLog, Journal


class Section:
    """Implements ``ports.journal.Journal`` on the streams of another whose names begin alike.

    ``close`` does nothing: the journal underneath is closed by whoever opened it.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal, self._prefix = journal, f"{name}/"

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event durably."""
        self._journal.append(self._prefix + stream, event)

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every (stream, event) of the section in order of writing."""
        for stream, event in self._journal.read():
            if stream.startswith(self._prefix):
                yield stream.removeprefix(self._prefix), event

    def forget(self, stream: str) -> None:
        """Drop a stream; repeatable."""
        self._journal.forget(self._prefix + stream)

    def close(self) -> None:
        """Leave the journal underneath open."""


class LogSection:
    """Implements ``ports.journal.EventLog`` on the streams of another whose names begin alike."""

    def __init__(self, log: EventLog, name: str) -> None:
        self._log, self._prefix = log, f"{name}/"

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Have an event recorded."""
        self._log.add(self._prefix + stream, event)

    def forget(self, stream: str) -> None:
        """Have a stream dropped."""
        self._log.forget(self._prefix + stream)

    def after(self, act: Callable[[], None]) -> None:
        """Do something once all that was added before is durable, in whichever section."""
        self._log.after(act)

    async def durable(self) -> None:
        """Wait until all that was added before is durable."""
        await self._log.durable()

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every (stream, event) of the section in order of writing."""
        for stream, event in self._log.read():
            if stream.startswith(self._prefix):
                yield stream.removeprefix(self._prefix), event
