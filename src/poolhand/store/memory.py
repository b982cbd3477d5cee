"""A journal in memory: as strict as the others, gone with the process."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from poolhand.domain.errors import BrokenPrecondition, PoolhandError
from poolhand.ports.archive import SettledArchive, SettledRow
from poolhand.ports.journal import Forgotten, JournalChange, Kept, Marked, Written
from poolhand.store.memory_archive import MemoryArchive
from poolhand.store.record import Codec


class MemoryJournal:
    """Implements ``ports.journal.BatchJournal``, and ``EventLog`` with nothing ever waiting.

    For tests, simulations and programs without a disk.

    Attributes:
        failure: When set, every ``append`` raises it and records nothing (a full disk, say).
    """

    def __init__(self) -> None:
        self._records: list[tuple[str, str]] = []
        self._marks: dict[str, int] = {}
        self._archive = MemoryArchive()
        self._closed = False
        self.failure: PoolhandError | None = None

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled."""
        return self._archive

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event; raises ``failure`` when a test set one."""
        self._check()
        if self.failure is not None:
            raise self.failure
        self._records.append((stream, Codec.event_text(event)))

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event: at once, as ``append`` does."""
        self.append(stream, event)

    def commit(self, changes: Sequence[JournalChange]) -> None:
        """Make changes in their order, all or none; raises ``failure`` when a test set one."""
        self._check()
        if self.failure is not None:
            raise self.failure
        for change in changes:
            match change:
                case Written(stream, text):
                    self._records.append((stream, text))
                case Forgotten(stream):
                    self.forget(stream)
                case Kept(row):
                    self._archive.keep(row)
                case Marked(name, value):
                    self._marks[name] = value

    def keep(self, row: SettledRow) -> None:
        """Keep a row, at once."""
        self.commit((Kept(row),))

    def mark(self, name: str, value: int) -> None:
        """Set a cursor, at once."""
        self.commit((Marked(name, value),))

    def marks(self) -> Mapping[str, int]:
        """Return every cursor."""
        self._check()
        return dict(self._marks)

    def after(self, act: Callable[[], None]) -> None:
        """Do it now: all is as durable as it will be."""
        act()

    async def durable(self) -> None:
        """Return at once."""

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) in order of writing."""
        self._check()
        for stream, text in tuple(self._records):
            if stream.startswith(prefix):
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
        fresh._records, fresh._marks = list(self._records), dict(self._marks)
        fresh._archive = self._archive
        return fresh

    def _check(self) -> None:
        if self._closed:
            raise BrokenPrecondition("the journal is closed")
