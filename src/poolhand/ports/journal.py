"""Journals: what happened, written before anything is done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Written:
    """An event of a stream, as the compact JSON text of an object."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A stream whose story is over."""

    stream: str


Change: TypeAlias = Written | Forgotten
"""What a commit does to a journal."""


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


class BatchJournal(Journal, Protocol):
    """A journal that takes many changes at once; safe to call from another thread."""

    def commit(self, changes: Sequence[Change]) -> None:
        """Make changes in their order, durably, all or none; raises JournalFull."""


class EventLog(Protocol):
    """A journal that keeps nobody waiting, written in the order of its calls.

    What was added is known at once to who added it and durable a little later; whatever leaves the
    program on account of it (a message, a transaction) waits in ``after``.
    """

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Have an event recorded; raises BrokenPrecondition where it is not made of JSON values."""

    def forget(self, stream: str) -> None:
        """Have a stream dropped whose story is over; repeatable."""

    def after(self, act: Callable[[], None]) -> None:
        """Do something once all that was added before is durable; in the order of asking."""

    async def durable(self) -> None:
        """Wait until all that was added before is durable."""

    def read(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every (stream, event) that is durable, in order; raises JournalCorrupt."""
