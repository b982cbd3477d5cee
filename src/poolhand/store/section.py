"""Several journals in one: each section sees the streams under its own prefix."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from poolhand.ports.archive import SettledArchive, SettledRow
from poolhand.ports.journal import EventLog, Journal


class Section:
    """Implements ``ports.journal.Journal`` on the streams of another whose names begin alike.

    And ``DurableLog``, with nothing ever waiting: each event is durable before ``add`` returns.
    ``close`` does nothing: the journal underneath is closed by whoever opened it.
    """

    def __init__(self, journal: Journal, name: str) -> None:
        self._journal, self._prefix = journal, f"{name}/"

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event durably."""
        self._journal.append(self._prefix + stream, event)

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event durably, now."""
        self.append(stream, event)

    async def durable(self) -> None:
        """Return at once."""

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) of the section in order of writing."""
        for stream, event in self._journal.read(self._prefix + prefix):
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

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled."""
        return self._log.archive

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

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) of the section in order of writing."""
        for stream, event in self._log.read(self._prefix + prefix):
            yield stream.removeprefix(self._prefix), event

    def keep(self, row: SettledRow) -> None:
        """Have a row kept; rows are of no section."""
        self._log.keep(row)

    def mark(self, name: str, value: int) -> None:
        """Have a cursor set."""
        self._log.mark(self._prefix + name, value)

    def marks(self) -> Mapping[str, int]:
        """Return the section's cursors."""
        known = self._log.marks().items()
        here = {name: value for name, value in known if name.startswith(self._prefix)}
        return {name.removeprefix(self._prefix): value for name, value in here.items()}
