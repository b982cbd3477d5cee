"""Several journals in one: each section sees the streams under its own prefix."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from poolhand.ports.journal import Journal


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
