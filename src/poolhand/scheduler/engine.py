"""The scheduler's shell: every task's machine, its journal, and the effects it asks for.

``feed`` never awaits: *step, append, swap, act*. What an effect does is the business of ``act``,
which must not block; outcomes come back as events.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final, get_args

import structlog

from poolhand.domain.ids import Address, TaskId
from poolhand.domain.task import machine
from poolhand.domain.task.machine import Effect, Event, Received, Ticked, Viewed
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import FINAL_TASK
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.ports.journal import Journal
from poolhand.wire.journal_json import EventCodec

CODEC: Final[EventCodec[Event]] = EventCodec(get_args(machine.Event))
CURSOR: Final = "cursor"
"""Journal stream of the block up to which deals were seen."""

log = structlog.get_logger()


class Engine:
    """All tasks of one pool.

    Attributes:
        tasks: By id; finished ones included.
        cursor: Block of the newest deal seen, None on a new pool.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._open: set[TaskId] = set()
        self._written: dict[TaskId, UnixSeconds] = {}
        self.tasks: dict[TaskId, Task] = {}
        self.cursor: BlockNumber | None = None
        self.act: Callable[[Task, Effect], None] = lambda _task, _effect: None
        self.changed: Callable[[TaskId], None] = lambda _task: None

    def recover(self) -> None:
        """Rebuild every task from the journal; nothing is acted on yet."""
        stories: defaultdict[TaskId, list[Event]] = defaultdict(list)
        for stream, record in self._journal.read():
            if stream == CURSOR:
                self.cursor = BlockNumber(int(record["block"]))
            else:
                stories[TaskId.parse(stream)].append(CODEC.decode(record))
        for task_id, events in stories.items():
            task = machine.replay(events)
            self._swap(task_id, task)
            self._written[task_id] = task.now
        log.info("tasks_recovered", tasks=len(self.tasks), open=len(self._open))

    def resume(self) -> None:
        """Act on everything that is outstanding."""
        for task_id in tuple(self._open):
            task = self.tasks[task_id]
            for effect in machine.outstanding(task):
                self.act(task, effect)

    def seen(self, block: BlockNumber) -> None:
        """Remember that deals up to a block are known."""
        if self.cursor is None or block > self.cursor:
            self._journal.append(CURSOR, {"block": block})
            self.cursor = block

    def receive(self, event: Received) -> None:
        """Begin a task; one that exists already is left alone."""
        task_id = event.facts.task_id
        if task_id in self.tasks:
            return
        self._write(task_id, event)
        self._swap(task_id, machine.receive(event))
        self.changed(task_id)

    def feed(self, task_id: TaskId, event: Event) -> None:
        """Apply one event to a task; an unknown task is left alone.

        Raises:
            IllegalTransition: A worker's report is refused; nothing has changed.
        """
        before = self.tasks.get(task_id)
        if before is None:
            return
        event = _without_news(before, event)
        after, effects = machine.step(before, event)
        if after is before:
            return
        silent = (
            isinstance(event, Ticked) and not effects and after == replace(before, now=after.now)
        )
        if not silent:
            if event.at < before.now > self._written.get(task_id, before.now):
                self._write(task_id, Ticked(before.now))  # passed in silence, and decided by
            self._write(task_id, event)
        self._swap(task_id, after)
        for effect in effects:
            self.act(after, effect)
        if not silent:
            self.changed(task_id)

    def _write(self, task_id: TaskId, event: Event) -> None:
        self._journal.append(str(task_id), CODEC.encode(event))
        self._written[task_id] = max(event.at, self._written.get(task_id, event.at))

    def open_tasks(self) -> Iterator[Task]:
        """Yield tasks whose story is not over."""
        for task_id in tuple(self._open):
            yield self.tasks[task_id]

    def tasks_of(self, worker: Address) -> Iterator[Task]:
        """Yield open tasks in which a worker has a replicate."""
        return (task for task in self.open_tasks() if task.attempt(worker) is not None)

    def _swap(self, task_id: TaskId, task: Task) -> None:
        self.tasks[task_id] = task
        if machine.is_settled(task):
            self._open.discard(task_id)
        else:
            self._open.add(task_id)
        if task.status in FINAL_TASK and task_id not in self._open:
            log.debug("task_settled", task_id=str(task_id), status=task.status)


def _without_news(task: Task, event: Event) -> Event:
    """Turn a view that repeats what is known into a mere tick, which need not be journaled."""
    if isinstance(event, Viewed) and task.view is not None:
        known = replace(task.view, block=event.view.block, block_time=event.view.block_time)
        if known == event.view:
            return Ticked(event.at)
    return event
