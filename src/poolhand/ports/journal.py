"""Journals: what happened, written before anything is done about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from poolhand.ports.archive import SettledArchive, SettledRow


@dataclass(frozen=True, slots=True)
class Written:
    """An event of a stream, as the compact JSON text of an object."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """A stream whose story is over."""

    stream: str


@dataclass(frozen=True, slots=True)
class Kept:
    """A row beside the journal: what has settled, or what outlives the journal's streams."""

    row: SettledRow


@dataclass(frozen=True, slots=True)
class Marked:
    """A cursor: how far something was followed (a block number)."""

    name: str
    value: int


JournalChange: TypeAlias = Written | Forgotten | Kept | Marked
"""What a commit does."""


class Journal(Protocol):
    """An append-only record of events by stream (a task id, ``tx``, …).

    An event is a JSON object. ``append`` returns once the event would survive a power cut.
    """

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event durably; raises JournalFull when the disk is."""

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) of names that begin so, as written; raises JournalCorrupt."""

    def forget(self, stream: str) -> None:
        """Drop a stream whose story is over; repeatable."""

    def close(self) -> None:
        """Release the file; repeatable."""


class BatchJournal(Journal, Protocol):
    """A journal with rows beside it that takes many changes at once; for calls from any thread."""

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled."""

    def commit(self, changes: Sequence[JournalChange]) -> None:
        """Make changes in their order, durably, all or none; raises JournalFull."""

    def marks(self) -> Mapping[str, int]:
        """Return every cursor."""


class DurableLog(Protocol):
    """A journal that keeps nobody waiting, written in the order of its calls.

    What was added is known at once to who added it and durable a little later; whatever leaves the
    program on account of it (a message, a transaction) waits until it is.
    """

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Have an event recorded; raises BrokenPrecondition where it is not made of JSON values."""

    def forget(self, stream: str) -> None:
        """Have a stream dropped whose story is over; repeatable."""

    async def durable(self) -> None:
        """Wait until all that was added before is durable."""

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (stream, event) that are durable, in order, of names that begin so.

        Raises:
            JournalCorrupt: A record was altered.
        """


class EventLog(DurableLog, Protocol):
    """A log beside which rows are kept, and after which something may be done."""

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled."""

    def after(self, act: Callable[[], None]) -> None:
        """Do something once all that was added before is durable; in the order of asking."""

    def keep(self, row: SettledRow) -> None:
        """Have a row kept; one that is there already is replaced."""

    def mark(self, name: str, value: int) -> None:
        """Have a cursor set."""

    def marks(self) -> Mapping[str, int]:
        """Return every cursor that is durable."""
