"""Group commit: events are taken at once and written in groups, by one thread beside the loop.

While one group is being written the next one gathers, so that a busy pool makes few commits of
many events and an idle one makes one commit of one event, without a pause in either.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from poolhand.ports.archive import SettledArchive, SettledRow
from poolhand.ports.journal import BatchJournal, Forgotten, JournalChange, Kept, Marked, Written
from poolhand.store.record import Codec

ACTS: Final = 32
"""What becomes due with a group is done so many at a time: others have their turn between them."""
CHANGES_PER_COMMIT: Final = 512
"""Changes in one commit: a few milliseconds of the writer's time, and of what waits for it."""


@dataclass(slots=True)
class _Group:
    """Changes of one commit, and what may be done once they are durable."""

    changes: list[JournalChange] = field(default_factory=list)
    acts: list[Callable[[], None]] = field(default_factory=list)


class GroupCommit:
    """Implements ``ports.journal.EventLog`` over a journal that takes batches.

    ``run`` must be running, or nothing becomes durable. What it raises ends the program: memory is
    then ahead of the journal, and nothing of what is ahead has left the program.

    Args:
        journal: Where the groups go.
        writer: Its one thread writes.
        most: Changes in one commit.
    """

    def __init__(
        self, journal: BatchJournal, writer: Executor, most: int = CHANGES_PER_COMMIT
    ) -> None:
        self._journal, self._writer, self._most = journal, writer, most
        self._waiting: deque[_Group] = deque()
        self._writing: _Group | None = None
        self._written: Future[None] | None = None
        self._due: deque[Callable[[], None]] = deque()
        self._wake = asyncio.Event()

    @property
    def archive(self) -> SettledArchive:
        """Rows of what has settled."""
        return self._journal.archive

    def add(self, stream: str, event: Mapping[str, Any]) -> None:
        """Have an event recorded; it is copied now."""
        self._change(Written(stream, Codec.event_text(event)))

    def forget(self, stream: str) -> None:
        """Have a stream dropped."""
        self._change(Forgotten(stream))

    def after(self, act: Callable[[], None]) -> None:
        """Do something once all that was added before is durable: now, if it is."""
        newest = self._waiting[-1] if self._waiting else self._writing
        if newest is not None:
            newest.acts.append(act)
        elif self._due:
            self._due.append(act)
        else:
            act()

    async def durable(self) -> None:
        """Wait until all that was added before is durable."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.after(lambda: None if done.done() else done.set_result(None))
        await done

    def keep(self, row: SettledRow) -> None:
        """Have a row kept."""
        self._change(Kept(row))

    def mark(self, name: str, value: int) -> None:
        """Have a cursor set."""
        self._change(Marked(name, value))

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what is durable."""
        return self._journal.read(prefix)

    def marks(self) -> Mapping[str, int]:
        """Return every cursor that is durable."""
        return self._journal.marks()

    async def run(self) -> NoReturn:
        """Write one group after another, for ever.

        Raises:
            JournalFull, JournalUnwritable: A group was not written, and nothing follows it.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                self._writing = self._waiting.popleft()
                self._written = self._writer.submit(self._journal.commit, self._writing.changes)
                await asyncio.shield(asyncio.wrap_future(self._written))  # an end cancels no write
                self._due.extend(self._writing.acts)
                self._writing = None
                await self._act()

    def flush(self) -> None:
        """Write what still waits once ``run`` has ended in peace; blocks, and acts on nothing."""
        if self._written is not None and self._written.exception() is not None:
            return
        while self._waiting:
            self._journal.commit(self._waiting.popleft().changes)

    async def _act(self) -> None:
        for count in itertools.count(1):
            if not self._due:
                return
            self._due[0]()  # it stands there until it is done: what it asks for comes after it
            self._due.popleft()
            if count % ACTS == 0:
                await asyncio.sleep(0)

    def _change(self, change: JournalChange) -> None:
        if not self._waiting or len(self._waiting[-1].changes) >= self._most:
            self._waiting.append(_Group())
        self._waiting[-1].changes.append(change)
        self._wake.set()


@asynccontextmanager
async def grouped(journal: BatchJournal) -> AsyncIterator[GroupCommit]:
    """Yield a log whose groups one thread writes; at the end all that was added is written.

    Raises:
        JournalFull, JournalUnwritable: A group could not be written; the body is cancelled.
    """
    writer = ThreadPoolExecutor(1, "journal")
    log = GroupCommit(journal, writer)
    try:
        async with asyncio.TaskGroup() as tasks:
            writing = tasks.create_task(log.run())
            try:
                yield log
            finally:
                writing.cancel()
    finally:
        try:
            await asyncio.to_thread(log.flush)  # the loop waits for no disk and no server
        finally:
            writer.shutdown(wait=False)
