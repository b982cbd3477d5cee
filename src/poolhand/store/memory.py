"""A journal in memory: as strict as the others, gone with the process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from poolhand.domain.errors import BrokenPrecondition, PoolhandError
from poolhand.ports.journal import Change, Written
from poolhand.store.record import Codec


class MemoryJournal:
    """Implements ``ports.journal.BatchJournal``, and ``EventLog`` with nothing ever waiting.

    For tests, simulations and programs without a disk.

    Attributes:
        failure: When set, every ``append`` raises it and records nothing (a full disk, say).
    """

    def __init__(self) -> None:
        self._records: list[tuple[str, str]] = []
        self._closed = False
        self.failure: PoolhandError | None = None

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event; raises ``failure`` when a test set one."""
        self._check()
        if self.failure is not None:
            raise self.failure
        self._records.append((stream, Codec.event_text(event)))

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event: at once, as ``append`` does."""
        self.append(stream, event)

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes in their order, all or none; raises ``failure`` when a test set one."""
        self._check()
        if self.failure is not None:
            raise self.failure
        for change in changes:
            if isinstance(change, Written):
                self._records.append((change.stream, change.text))
            else:
                self.forget(change.stream)

    def after(self, act: Callable[[], None]) -> None:
        """Do it now: all is as durable as it will be."""
        act()

    async def durable(self) -> None:
        """Return at once."""

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every (stream, event) in order of writing."""
        self._check()
        for stream, text in tuple(self._records):
            yield stream, json.loads(text)

    def forget(self, stream: str) -> None:
        """Drop a stream; repeatable."""
        self._check()
        self._records[:] = [record for record in self._records if record[0] != stream]

    def close(self) -> None:
        """Refuse further use; repeatable."""
        self._closed = True

    def reopened(self) -> MemoryJournal:
        """Close this one and return what a restarted program would find."""
        self.close()
        fresh = MemoryJournal()
        fresh._records = list(self._records)
        return fresh

    def _check(self) -> None:
        if self._closed:
            raise BrokenPrecondition("the journal is closed")
