"""Journals: what happened, written before anything is done about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol


class Journal(Protocol):
    """An append-only record of events by stream (a task id, ``tx``, …).

    An event is a JSON object. ``append`` returns once the event would survive a power cut.
    """

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event durably; raises JournalFull when the disk is."""

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every (stream, event) in order of writing; raises JournalCorrupt."""

    def forget(self, stream: str) -> None:
        """Drop a stream whose story is over; repeatable."""

    def close(self) -> None:
        """Release the file; repeatable."""
