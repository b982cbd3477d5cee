"""What running apps print, passed from workers to those who read it; nobody else pays for it.

A worker is asked for a task's output while somebody reads it, and told to leave off when nobody
does (ADR 0146). Lines pass through a window of each output in memory, from which every reader takes
at its own pace, and through the spool on disk, from which one takes that was slower or comes later.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, suppress
from typing import Final

from poolhand.domain.app_lines import AppLine
from poolhand.domain.errors import Unavailable
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.line_window import LineCursor, LineRun, LineWindow
from poolhand.domain.task.machine import is_settled
from poolhand.domain.task.model import Task
from poolhand.domain.units import KIB
from poolhand.ports.clock import Clock
from poolhand.ports.output_spool import OutputSpool
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.task_logs import TaskLogs
from poolhand.scheduler.worker_directory import WorkerDirectory
from poolhand.wire.messages import FollowTask, TaskOutput, WorkerBound, WorkProgress
from poolhand.wire.output_api import NewsKind, OutputLine, OutputNews, OutputProgress
from poolhand.wire.session_terms import LIVE_OUTPUT

MOST_OUTPUT_READERS: Final = 256
MOST_READERS_OF_TASK: Final = 16
LINES_HELD: Final = 2_048
BYTES_HELD: Final = 128 * KIB
"""Of one output, in memory, while it is read."""
LINES_PER_EVENT: Final = 1_024
BYTES_PER_EVENT: Final = 64 * KIB
BETWEEN_EVENTS: Final = 0.1
"""Seconds between two events with lines of one output to one reader: 640 KiB/s."""
LOOK_FOR_ATTEMPTS: Final = 1.0
"""Seconds without news after which a task is looked at for new replicates, or its end."""
LOOKS_BEFORE_BEAT: Final = 5
"""So many looks without news, and a reader is told that there is none: who has gone is noticed."""
MILLION: Final = 1_000_000

WORKER_TOO_OLD: Final = (
    "its worker's program is older than this pool's and tells what it printed when it has ended"
)


class TooManyOutputReaders(Unavailable):
    """So many read that no further one is told."""

    http_status = 503

    def __init__(self, most: int, what: str) -> None:
        super().__init__(f"{most} read {what} already: try again in a while")


class _Output:
    """What one worker tells of a task."""

    def __init__(self, next_number: int) -> None:
        self.window = LineWindow[AppLine](LINES_HELD, BYTES_HELD, _size, next_number)
        self.progress: WorkProgress | None = None


class _TaskFeed:
    """A task that is read."""

    def __init__(self, numbers: Mapping[Address, int]) -> None:
        self.outputs = {worker: _Output(number) for worker, number in numbers.items()}
        self.asked: set[Address] = set()
        self.silent: set[Address] = set()
        self.readers: set[_Reading] = set()

    def output(self, worker: Address) -> _Output:
        return self.outputs.setdefault(worker, _Output(0))

    def tell(self) -> None:
        for each in self.readers:
            each.news.set()


class _Reading:
    """One reader, and how far it is."""

    def __init__(self, after: Mapping[Address, int]) -> None:
        self.news = asyncio.Event()
        self.cursors = {worker: LineCursor(number) for worker, number in after.items()}
        self.progress: dict[Address, WorkProgress] = {}
        self.told_silent: set[Address] = set()
        self.quiet = 0

    def cursor(self, worker: Address) -> LineCursor:
        return self.cursors.setdefault(worker, LineCursor())


class TaskFeeds:
    """Passes outputs on.

    Args:
        engine: Has the tasks at work.
        directory: The connected workers.
        hand: Hands a message to a worker's session; to one that is away it is lost.
        spool: Keeps lines for a while.
        logs: Has the ends of outputs.
        clock: For pauses, and the time that is kept with lines.
    """

    def __init__(
        self,
        engine: Engine,
        directory: WorkerDirectory,
        hand: Callable[[Address, WorkerBound], None],
        spool: OutputSpool,
        logs: TaskLogs,
        clock: Clock,
    ) -> None:
        self._engine, self._directory, self._hand = engine, directory, hand
        self._spool, self._logs, self._clock = spool, logs, clock
        self._feeds: dict[TaskId, _TaskFeed] = {}
        self._readers = 0

    def __len__(self) -> int:
        """Count those who read."""
        return self._readers

    # ---------------------------------------------------------------------------- from workers

    def received(self, worker: Address, message: TaskOutput | WorkProgress) -> None:
        """Take what a worker tells; what nobody asked it for is dropped."""
        feed = self._feeds.get(message.task_id)
        if feed is None or worker not in feed.asked:
            return
        output = feed.output(worker)
        if isinstance(message, WorkProgress):
            output.progress = message
        else:
            self._take(worker, message, output)
        feed.tell()

    def _take(self, worker: Address, message: TaskOutput, output: _Output) -> None:
        _, fresh = LineCursor(output.window.next).take(LineRun(message.first, message.lines))
        for number, line in enumerate(fresh.lines, fresh.first):
            output.window.put(number, line)
        if fresh.lines:
            self._spool.keep(message.task_id, worker, fresh, self._clock.now())

    def arrived(self, worker: Address) -> None:
        """Ask a worker again that has come (back), for what is read of it."""
        for task in tuple(self._engine.tasks_of(worker)):
            feed = self._feeds.get(task.facts.task_id)
            if feed is not None:
                feed.asked.discard(worker)
                feed.silent.discard(worker)
                self._ask(task, feed)

    def _ask(self, task: Task, feed: _TaskFeed) -> None:
        """Ask the workers of a task that were not asked yet, once they have taken it up.

        Before, a worker knows of no such task, says so, and would never be asked again.
        """
        for attempt in task.attempts:
            worker = attempt.worker
            if attempt.is_over or worker in feed.asked or worker in feed.silent:
                continue
            here = self._directory.get(worker)
            if here is None:
                continue
            if here.protocol < LIVE_OUTPUT:
                feed.silent.add(worker)
                continue
            if attempt.taken_up_at is None:
                continue
            feed.asked.add(worker)
            number = feed.output(worker).window.next
            self._hand(worker, FollowTask(task.facts.task_id, number))

    # ----------------------------------------------------------------------------- for readers

    def check_room(self, task_id: TaskId) -> None:
        """Raise TooManyOutputReaders where no further one is told."""
        if self._readers >= MOST_OUTPUT_READERS:
            raise TooManyOutputReaders(MOST_OUTPUT_READERS, "tasks of this pool")
        feed = self._feeds.get(task_id)
        if feed is not None and len(feed.readers) >= MOST_READERS_OF_TASK:
            raise TooManyOutputReaders(MOST_READERS_OF_TASK, "this task")

    async def read(
        self, task_id: TaskId, after: Mapping[Address, int]
    ) -> AsyncGenerator[OutputNews]:
        """Yield what is told of a task, until it has ended.

        Args:
            task_id: Which.
            after: The number of the next line, by worker; 0 where none is told.

        Raises:
            TooManyOutputReaders: No further one is told.
        """
        self.check_room(task_id)
        self._readers += 1
        reading = _Reading(after)
        try:
            feed = await self._joined(task_id, reading)
            async with aclosing(self._follow(task_id, feed, reading)) as found:
                async for news in found:
                    yield news
        finally:
            self._readers -= 1
            self._left(task_id, reading)

    async def _follow(
        self, task_id: TaskId, feed: _TaskFeed, reading: _Reading
    ) -> AsyncGenerator[OutputNews]:
        while True:
            reading.news.clear()
            task = self._engine.tasks.get(task_id)
            if task is not None:
                self._ask(task, feed)
            news = await self._news(task_id, feed, reading)
            for each in news:
                yield each
            if news:
                await self._clock.sleep(BETWEEN_EVENTS)
            elif task is None or is_settled(task):
                break
            elif await self._is_quiet(reading):
                yield OutputNews(kind=NewsKind.BEAT)
        for each in await self._ends(task_id, reading):
            yield each
        yield OutputNews(kind=NewsKind.END)

    async def peek(self, task_id: TaskId, seconds: float) -> None:
        """Have a running task's output told now, for as long, so that the spool has it."""
        with suppress(TooManyOutputReaders, TimeoutError):
            async with asyncio.timeout(seconds):
                after = await self._spool.numbers(task_id)
                async with aclosing(self.read(task_id, after)) as found:
                    async for news in found:
                        if news.kind in (NewsKind.LINES, NewsKind.END):
                            return

    async def _joined(self, task_id: TaskId, reading: _Reading) -> _TaskFeed:
        """Return the feed of a task with this reader among its readers."""
        feed = self._feeds.get(task_id)
        if feed is None:
            numbers = await self._spool.numbers(task_id)
            feed = self._feeds.setdefault(
                task_id, _TaskFeed(numbers)
            )  # another may have been quicker
        feed.readers.add(reading)
        return feed

    def _left(self, task_id: TaskId, reading: _Reading) -> None:
        feed = self._feeds.get(task_id)
        if feed is None:
            return
        feed.readers.discard(reading)
        if not feed.readers:
            del self._feeds[task_id]
            for worker in feed.asked:
                self._hand(worker, FollowTask(task_id, None))

    async def _news(self, task_id: TaskId, feed: _TaskFeed, reading: _Reading) -> list[OutputNews]:
        found = list[OutputNews]()
        for worker, output in tuple(feed.outputs.items()):
            lines = await self._lines(task_id, worker, output, reading)
            if lines is not None:
                found.append(lines)
            progress = output.progress
            if progress is not None and reading.progress.get(worker) is not progress:
                reading.progress[worker] = progress
                told = progress_news(progress)
                found.append(OutputNews(kind=NewsKind.PROGRESS, worker=worker, progress=told))
        for worker in feed.silent - reading.told_silent:
            reading.told_silent.add(worker)
            found.append(OutputNews(kind=NewsKind.SILENT, worker=worker, because=WORKER_TOO_OLD))
        return found

    async def _lines(
        self, task_id: TaskId, worker: Address, output: _Output, reading: _Reading
    ) -> OutputNews | None:
        """Return some lines that a reader has not been told: of the window, else of the spool."""
        cursor = reading.cursor(worker)
        run = output.window.take(cursor.next, LINES_PER_EVENT, BYTES_PER_EVENT)
        if run.first > cursor.next:
            kept = await self._spool.run(task_id, worker, cursor.next)
            run = kept if kept is not None and kept.first < run.first else run
        left_out, fresh = cursor.take(run)
        if not fresh.lines and not left_out:
            return None
        lines = tuple(OutputLine(is_error=each.is_error, text=each.text) for each in fresh.lines)
        return OutputNews(
            kind=NewsKind.LINES, worker=worker, first=fresh.first, left_out=left_out, lines=lines
        )

    async def _ends(self, task_id: TaskId, reading: _Reading) -> list[OutputNews]:
        """Return the ends of outputs of which no line was told."""
        return [
            OutputNews(kind=NewsKind.PRINTED, worker=worker, stdout=out, stderr=err)
            for worker, (out, err) in (await self._logs.of(task_id)).items()
            if reading.cursor(worker).next == 0 and (out or err)
        ]

    async def _is_quiet(self, reading: _Reading) -> bool:
        """Wait for news a second at most; whether there was none for so long as to tell that."""
        waiting = asyncio.ensure_future(reading.news.wait())
        look = asyncio.ensure_future(self._clock.sleep(LOOK_FOR_ATTEMPTS))
        try:
            await asyncio.wait({waiting, look}, return_when=asyncio.FIRST_COMPLETED)
            reading.quiet = 0 if waiting.done() else reading.quiet + 1
            return reading.quiet > 0 and reading.quiet % LOOKS_BEFORE_BEAT == 0
        finally:
            waiting.cancel()
            look.cancel()
            await asyncio.gather(waiting, look, return_exceptions=True)


def progress_news(found: WorkProgress) -> OutputProgress:
    """Put what a worker tells into words for a reader."""
    fraction = None if found.millionths is None else found.millionths / MILLION
    return OutputProgress(
        pulled=found.pulled,
        downloaded=found.downloaded,
        memory=found.memory,
        cpu_ms=found.cpu_ms,
        processes=found.processes,
        fraction=fraction,
        words=found.words,
    )


def _size(line: AppLine) -> int:
    return len(line.text) + 16
