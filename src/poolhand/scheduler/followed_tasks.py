"""The open tasks of a pool, as one that stands by hears of them from the journal of its leader.

Each event is read once, however many ask for pages of tasks: a page costs what it holds, and what
was written since the last look.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, Final, NoReturn, Protocol

from poolhand.domain.errors import BadHex, PoolhandError
from poolhand.domain.ids import TaskId
from poolhand.domain.task import machine
from poolhand.domain.task.machine import Received
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import TaskStatus
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.scheduler.engine import TASK_CODEC
from poolhand.scheduler.task_pages import TaskPages

STREAMS: Final = "task/"
"""How names of the journal's streams of tasks begin."""
PAUSE_BETWEEN_FOLLOWING_LOOKS: Final = 1.0
"""Seconds between two looks while nobody asks, so that whoever does waits for little."""
EVENTS_PER_QUERY: Final = 1000
"""Events of one query."""


class JournalTail(Protocol):
    """What is written behind a number: ``store.sql_reader.SqlReader``."""

    def events(
        self, after: int, prefix: str, most: int
    ) -> tuple[Sequence[tuple[str, Mapping[str, Any]]], int]:
        """Return events of streams that begin so, and the number to go on behind."""

    def settled(self, after: int | None, most: int) -> tuple[Sequence[TaskId], int]:
        """Return tasks that have settled, and the number to go on behind; None: only that."""


class _Heard:
    """What was heard so far, and up to where."""

    def __init__(self, tail: JournalTail, boundary: FaultBoundary, most: int) -> None:
        self._tail, self._boundary, self._most = tail, boundary, most
        self.tasks: dict[TaskId, Task] = {}
        self.pages, self.troubles = TaskPages(), dict[TaskId, str]()
        self._settled: int | None = None
        self._number = 0

    def catch_up(self) -> None:
        """Hear of what was written since.

        Settled ones first: one that begins anew afterwards is then not taken for the old one.
        """
        more = True
        while more:
            names, self._settled = self._tail.settled(self._settled, self._most)
            for name in names:
                self._leave(name)
            more = len(names) == self._most
        more = True
        while more:
            events, self._number = self._tail.events(self._number, STREAMS, self._most)
            for stream, event in events:
                self._hear(stream, event)
            more = len(events) == self._most

    def _leave(self, name: TaskId) -> None:
        if (task := self.tasks.pop(name, None)) is not None:
            self.pages.leave(task)
            self.troubles.pop(name, None)

    def _hear(self, stream: str, record: Mapping[str, Any]) -> None:
        """Apply an event; a task that does not read stays as far as it does."""
        try:
            name = TaskId.parse(stream.removeprefix(STREAMS))
        except BadHex:
            return  # its leader has put it aside and says so
        if name in self.troubles:
            return
        try:
            self._apply(name, record)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
            words = self._boundary.take(fault, "following", stream=stream)
            if name in self.tasks:
                self.troubles[name] = f"its journal does not read: {words}"

    def _apply(self, name: TaskId, record: Mapping[str, Any]) -> None:
        before, event = self.tasks.get(name), TASK_CODEC.decode(record)
        if before is not None:
            after, _ = machine.step(before, event)
        elif isinstance(event, Received):
            after = machine.receive(event)
        else:
            return
        self.tasks[name] = after
        self.pages.swap(before, after)


class FollowedTasks:
    """Tasks that are open, for any thread.

    What is dropped from the journal is known by its row: both are one commit.

    Args:
        tail: Of the leader's journal.
        boundary: Takes what the events of one task raise.
        most: Events of one query.
    """

    def __init__(
        self, tail: JournalTail, boundary: FaultBoundary | None = None, most: int = EVENTS_PER_QUERY
    ) -> None:
        self._anew = partial(_Heard, tail, boundary or FaultBoundary(), most)
        self._mutex, self._heard = threading.Lock(), self._anew()

    def get(self, name: TaskId) -> Task | None:
        """Return a task that is open; raises JournalUnreadable, …."""
        with self._newest() as heard:
            return heard.tasks.get(name)

    def found(self, names: Iterable[TaskId]) -> list[Task]:
        """Return those of some tasks that are open; raises JournalUnreadable, …."""
        with self._newest() as heard:
            return [heard.tasks[name] for name in names if name in heard.tasks]

    def page(
        self, status: TaskStatus | None, before: TaskId | None, most: int
    ) -> list[Task] | None:
        """Return open tasks, the newest first; None where ``before`` is none of them.

        Raises:
            JournalUnreadable, …: The database does not answer.
        """
        with self._newest() as heard:
            if before is not None and before not in heard.tasks:
                return None
            names = islice(heard.pages.newest(status, before), most)
            return [heard.tasks[name] for name in names]

    def trouble(self, name: TaskId) -> str | None:
        """Say why a task is shown only as far as its journal reads; None where all reads."""
        return self._heard.troubles.get(name)

    def look(self) -> None:
        """Hear of what was written since; raises JournalUnreadable, …."""
        with self._newest():
            pass

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """Hear of tasks as they change until the end of the block; then let go of them."""
        hearing = asyncio.create_task(self._keep_following())
        try:
            yield
        finally:
            hearing.cancel()
            self._heard = self._anew()  # a thread that is hearing still does so for the old one

    async def _keep_following(self) -> NoReturn:
        """Look now and then; what fails is told to whoever asks."""
        while True:
            with suppress(PoolhandError):
                await asyncio.to_thread(self.look)
            await asyncio.sleep(PAUSE_BETWEEN_FOLLOWING_LOOKS)

    @contextmanager
    def _newest(self) -> Iterator[_Heard]:
        """Hear of what was written since, and let nobody in between."""
        with self._mutex:
            heard = self._heard
            heard.catch_up()
            yield heard
