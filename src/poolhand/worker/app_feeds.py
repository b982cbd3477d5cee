"""What apps print and how far their tasks are, told to the pool while somebody there reads it.

Nothing is told, read or looked at unless the pool asks (ADR 0146). Lines are numbered from the
first of a container that its engine has kept, so that whoever reads goes on where it was, whichever
program between it and the app was started anew. A flood is read at a bounded pace, kept in a
bounded window, and told at a bounded pace behind everything else: what falls out is missing in the
numbers. Whoever was told of least lately is told of first, so that a flood takes what its
neighbours leave.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

import structlog

from poolhand.domain.app_lines import AppLine, clean_line
from poolhand.domain.errors import RuntimeDown
from poolhand.domain.ids import TaskId
from poolhand.domain.line_window import LineRun, LineWindow
from poolhand.domain.replicate.machine import Replicate
from poolhand.domain.replicate.status import Status
from poolhand.domain.units import KIB, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.clock import Clock
from poolhand.ports.runtime import ContainerRuntime, LogLine
from poolhand.wire.messages import SchedulerBound, TaskOutput, WorkProgress
from poolhand.wire.session_terms import MOST_OUTPUT_LINES
from poolhand.worker.work_looks import WorkLooks

ALL_LINES: Final = 10_000_000
"""Lines that are asked of an engine: all that it has kept."""
LINES_IN_WINDOW: Final = 4_096
BYTES_IN_WINDOW: Final = 256 * KIB
BYTES_TOLD_AT_ONCE: Final = 8 * KIB
"""Of lines, in one message: a frame has room for all of it turned into escapes."""
BETWEEN_TELLINGS: Final = 0.1
"""Seconds between two turns, of a message at most about each task: with its size 80 KiB/s."""
OUTPUTS_TOLD_IN_TURN: Final = 4
"""Messages of one turn, about all tasks together: half of what a session may send in that time."""
BYTES_FOLLOWED_AT_ONCE: Final = 32 * KIB
BETWEEN_READINGS: Final = 0.1
"""Seconds of pause after so many bytes, 320 KiB/s: four times what is told, for lines cost the
worker's processor; what an app prints faster than that is read later."""
BETWEEN_ATTACHINGS: Final = 0.25
"""Seconds until a container is looked for again that was not there."""
PROGRESS_LOOK_EVERY: Final = 1
"""Seconds between two looks at how far the work is."""
PROGRESS_BEAT: Final = 5
"""Seconds after which it is told again though nothing has changed."""
MOST_FOLLOWED: Final = 256
"""Tasks that are told of at a time."""

S = Status
PRINTING: Final = frozenset(
    {
        S.CREATED,
        S.RUNNING,
        S.APP_DOWNLOADING,
        S.APP_DOWNLOADED,
        S.DATA_DOWNLOADING,
        S.DATA_DOWNLOADED,
        S.COMPUTING,
    }
)
"""Statuses of a replicate whose app runs, or is yet to run."""

log = structlog.get_logger()


class _AppFeed:
    """One task that was ever followed.

    Attributes:
        told: The number of the next line to be told.
        lately: Bytes that were told of it; of each turn half as many as of the next.
    """

    def __init__(self, task_id: TaskId) -> None:
        self.task_id = task_id
        self.window = LineWindow[LogLine](LINES_IN_WINDOW, BYTES_IN_WINDOW, _size)
        self.base, self.is_new_run = 0, False
        self.told, self.is_followed, self.has_said_last = 0, False, False
        self.lately = 0.0
        self.reading: asyncio.Task[None] | None = None
        self.progress: WorkProgress | None = None
        self.looked_at = self.beaten_at = UnixSeconds(-PROGRESS_BEAT)

    def take_turn(self) -> None:
        """Let what was told before count less."""
        self.lately /= 2

    def tell(self, run: LineRun[LogLine], *, is_last: bool) -> None:
        """Note that lines were told, or that there are no more."""
        self.told, self.has_said_last = run.end, is_last
        self.lately += sum(map(_size, run.lines))

    def stop_reading(self) -> None:
        if self.reading is not None:
            self.reading.cancel()
            self.reading = None  # who comes back before that has happened begins another


class AppFeeds:
    """Follows the apps that the pool asks for.

    Args:
        runtime: Has the containers.
        container: Names that of a task.
        replicates: All that are held.
        looks: Tell how far they are.
        send: Hands a message to the session with the pool.
        waiting: How many messages wait there, and some while the pool is away: then nothing is
            added.
        clock: For pauses.
        tasks: Owns what runs.
        boundary: Takes what the work on one raises.
    """

    def __init__(
        self,
        runtime: ContainerRuntime,
        container: Callable[[TaskId], str],
        replicates: Mapping[TaskId, Replicate],
        looks: WorkLooks,
        send: Callable[[SchedulerBound], None],
        waiting: Callable[[], int],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        boundary: FaultBoundary,
    ) -> None:
        self._runtime, self._container, self._replicates = runtime, container, replicates
        self._looks, self._send, self._waiting = looks, send, waiting
        self._clock, self._tasks, self._boundary = clock, tasks, boundary
        self._feeds: dict[TaskId, _AppFeed] = {}
        self._looked_at: set[TaskId] = set()
        self._pump: asyncio.Task[None] | None = None

    def follow(self, task_id: TaskId, after: int | None) -> None:
        """Tell of a task from line ``after`` on; None: nobody reads it any more."""
        feed = self._feeds.get(task_id)
        if after is None:
            if feed is not None:
                self._leave(feed)
            return
        if feed is None:
            self._sweep()
            if task_id not in self._replicates or len(self._feeds) >= MOST_FOLLOWED:
                self._send(TaskOutput(task_id, after, (), is_last=True))
                return
            feed = self._feeds[task_id] = _AppFeed(task_id)
        feed.told, feed.is_followed, feed.has_said_last = after, True, False
        feed.beaten_at = feed.looked_at = UnixSeconds(-PROGRESS_BEAT)
        if feed.reading is None or feed.reading.done():
            feed.reading = self._tasks.create_task(self._read(feed))
        if self._pump is None or self._pump.done():
            self._pump = self._tasks.create_task(self._tell_all())

    def leave_all(self) -> None:
        """Tell nothing more until the pool asks again: this is another session."""
        for feed in tuple(self._feeds.values()):
            self._leave(feed)

    def ended(self, task_id: TaskId) -> None:
        """Note that a run is over: a further one of this task prints from its beginning."""
        feed = self._feeds.get(task_id)
        if feed is not None:
            feed.is_new_run = True

    def _leave(self, feed: _AppFeed) -> None:
        """Tell nothing more of a task; its last lines stay while it is held.

        Lines may be lost on the way, or be printed while the pool is away: it asks again then.
        """
        feed.is_followed = False
        if feed.task_id not in self._replicates:
            self._forget(feed)
        elif self._prints(feed):
            feed.stop_reading()  # else it ends by itself, and nobody can read that later

    def _forget(self, feed: _AppFeed) -> None:
        feed.stop_reading()
        del self._feeds[feed.task_id]

    def _sweep(self) -> None:
        """Forget what nobody follows and is not held; where there is no room, what is over, too."""
        for feed in [each for each in self._feeds.values() if not each.is_followed]:
            if feed.task_id not in self._replicates or (
                len(self._feeds) >= MOST_FOLLOWED and not self._prints(feed)
            ):
                self._forget(feed)

    def _prints(self, feed: _AppFeed) -> bool:
        """Whether the app of a task runs, or is yet to run."""
        replicate = self._replicates.get(feed.task_id)
        return replicate is not None and replicate.status in PRINTING

    # ------------------------------------------------------------------------------------ reading

    async def _read(self, feed: _AppFeed) -> None:
        """Read what the containers of a task print, until there will be none any more."""
        with self._boundary.around("app-feed", task_id=str(feed.task_id)):
            goes_on = True
            while goes_on:
                goes_on = self._prints(feed)  # before the reading: what comes until then counts
                try:
                    await self._read_run(feed)
                except RuntimeDown as fault:
                    log.debug("app_output_unread", task_id=str(feed.task_id), cause=str(fault))
                if goes_on:
                    await self._clock.sleep(BETWEEN_ATTACHINGS)

    async def _read_run(self, feed: _AppFeed) -> None:
        """Read what one container prints, to its end; what was read before is passed over."""
        name, count, left = self._container(feed.task_id), 0, BYTES_FOLLOWED_AT_ONCE
        if feed.is_new_run and self._prints(feed):
            feed.base, feed.is_new_run = feed.window.next, False
        follow = self._runtime.follow(name, ALL_LINES, live=True)
        async with aclosing(follow) as lines:  # type: ignore[type-var]
            async for line in lines:
                feed.window.put(feed.base + count, line)
                count += 1
                left -= _size(line)
                if left <= 0:
                    left = BYTES_FOLLOWED_AT_ONCE
                    await self._clock.sleep(BETWEEN_READINGS)

    # ------------------------------------------------------------------------------------ telling

    async def _tell_all(self) -> None:
        """Tell what there is, by turns, as long as anybody reads."""
        while followed := [each for each in self._feeds.values() if each.is_followed]:
            self._take_turn(sorted(followed, key=lambda each: each.lately))
            await self._clock.sleep(BETWEEN_TELLINGS)

    def _take_turn(self, feeds: Sequence[_AppFeed]) -> None:
        """Tell of the first that have anything to tell; of none while other messages wait."""
        room = 0 if self._waiting() else OUTPUTS_TOLD_IN_TURN
        for feed in feeds:
            feed.take_turn()
            with self._boundary.around("app-feed", task_id=str(feed.task_id)):
                if room and self._tell_lines(feed):
                    room -= 1
                if feed.is_followed:
                    self._look_for_progress(feed)

    def _tell_lines(self, feed: _AppFeed) -> bool:
        """Tell lines that were not told yet, or that there are no more; whether there was any."""
        is_read = feed.reading is None or feed.reading.done()
        run = feed.window.take(feed.told, MOST_OUTPUT_LINES, BYTES_TOLD_AT_ONCE)
        is_last = not self._prints(feed) and is_read and run.end >= feed.window.next
        is_news = bool(run.lines) or (is_last and not feed.has_said_last)
        if is_news:
            self._send(_message(feed.task_id, run, is_last=is_last))
            feed.tell(run, is_last=is_last)
        if is_last:
            self._leave(feed)
        return is_news

    def _look_for_progress(self, feed: _AppFeed) -> None:
        now, prints = self._clock.steady(), self._prints(feed)
        is_due = now >= feed.looked_at + PROGRESS_LOOK_EVERY
        if prints and is_due and feed.task_id not in self._looked_at:
            feed.looked_at = now
            self._looked_at.add(feed.task_id)
            self._tasks.create_task(self._tell_progress(feed, now))

    async def _tell_progress(self, feed: _AppFeed, now: UnixSeconds) -> None:
        """Look how far a task is, beside the telling: a slow engine holds up nobody's lines."""
        try:
            with self._boundary.around("app-feed", task_id=str(feed.task_id)):
                self._tell_found(feed, await self._looks.look(feed.task_id), now)
        finally:
            self._looked_at.discard(feed.task_id)

    def _tell_found(self, feed: _AppFeed, found: WorkProgress, now: UnixSeconds) -> None:
        if feed.is_followed and (found != feed.progress or now >= feed.beaten_at + PROGRESS_BEAT):
            feed.progress, feed.beaten_at = found, now
            self._send(found)


def _message(task_id: TaskId, run: LineRun[LogLine], *, is_last: bool) -> TaskOutput:
    lines = tuple(AppLine(each.is_error, clean_line(each.text)) for each in run.lines)
    return TaskOutput(task_id, run.first, lines, is_last)


def _size(line: LogLine) -> int:
    """Return what a line counts for: an empty one costs, too."""
    return len(line.text) + 16
