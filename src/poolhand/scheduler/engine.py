"""The scheduler's shell: every task's machine, its journal, and the effects it asks for.

``feed`` never awaits: *step, append, swap*; and *act* once what was appended is durable, if the
effect is still wanted then. What an effect does is the business of ``act``, which must not block;
outcomes come back as events.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final, get_args

import structlog

from poolhand.domain.errors import BrokenPrecondition, IllegalTransition, Refused
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.signal import Signal
from poolhand.domain.task import machine
from poolhand.domain.task.machine import (
    Received,
    TaskMachineEffect,
    TaskMachineEvent,
    Ticked,
    Viewed,
)
from poolhand.domain.task.model import Task
from poolhand.domain.task.status import FINAL_TASK
from poolhand.domain.units import BlockNumber, UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.observe.turn_pace import TurnPace
from poolhand.ports.archive import SettledRow
from poolhand.ports.journal import EventLog
from poolhand.scheduler.task_index import TaskIndex
from poolhand.scheduler.task_pages import TaskPages
from poolhand.wire.journal_json import EventCodec

TASK_CODEC: Final[EventCodec[TaskMachineEvent]] = EventCodec(get_args(machine.TaskMachineEvent))
CURSOR: Final = "deals"
"""Cursor of the block up to which deals were seen."""
FIRST_BLOCK_CURSOR: Final = "deals-from"
"""Cursor of the block from which they were looked for."""

log = structlog.get_logger()


class Engine:
    """All tasks of one pool; what the work on one raises is noted as its trouble.

    Args:
        journal: Of the tasks; nothing is acted on before it holds why.
        boundary: Takes what nobody expected; only what concerns the program ends it.

    Attributes:
        tasks: By id: what is open, and what settled so lately that a re-organisation may take it
            back. What has settled for good has left for the archive.
        pages: Lists them.
        act: Tells of an effect that is to be carried out, from ``resume`` on.
        changed: Tells of a task that has changed, from ``resume`` on.
        left: Tells of a task that has left.
        troubles: What was raised for a task, in words: nobody new is given it.
        passing: Those of them that end when what failed goes well: looks and transactions.
        index: Finds and counts them.
        pace: For who feeds many events at once: so that all together feed few in one turn.
        troubled: Tells of a task that has trouble, or has it no longer, from ``resume`` on.
        unread: Streams of the journal that do not read, and why; such a task stands as far as it
            reads, and what becomes of it is not written down.
        cursor: Block of the newest deal seen, None on a new pool.
        first: Block from which deals were looked for, the first time or since the owner named an
            earlier one; None where that is not known.
    """

    def __init__(self, journal: EventLog, boundary: FaultBoundary | None = None) -> None:
        self._journal, self.boundary = journal, boundary or FaultBoundary()
        self._waiting: dict[TaskId, list[list[TaskMachineEffect]]] = {}
        self.troubles: dict[TaskId, str] = {}
        self.unread: dict[str, str] = {}
        self.passing: set[TaskId] = set()
        self._leaving: set[TaskId] = set()
        self.index, self.pages = TaskIndex(), TaskPages()
        self._written: dict[TaskId, UnixSeconds] = {}
        self.tasks: dict[TaskId, Task] = {}
        self.cursor: BlockNumber | None = None
        self.first: BlockNumber | None = None
        self.act: Signal[[Task, TaskMachineEffect]] = Signal()
        self.changed: Signal[[TaskId]] = Signal()
        self.troubled: Signal[[TaskId]] = Signal()
        self.left: Signal[[Task]] = Signal()
        self._is_resumed, self.pace = False, TurnPace()

    def recover(self) -> None:
        """Rebuild every task from the journal; nothing is acted on yet.

        One that does not read to its end holds up no other: the chain tells the rest of it.
        """
        marks = self._journal.marks()
        if (block := marks.get(CURSOR)) is not None:
            self.cursor = BlockNumber(block)
        if (first := marks.get(FIRST_BLOCK_CURSOR)) is not None:
            self.first = BlockNumber(first)
        stories: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for stream, record in self._journal.read():
            stories[stream].append(record)
        for stream, records in stories.items():
            try:
                self._replay(TaskId.parse(stream), records)
            except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
                self._keep_unread(stream, records, fault)
        log.info("tasks_recovered", tasks=len(self.tasks), open=len(self.index.open))

    def _replay(self, task_id: TaskId, records: Iterable[Mapping[str, Any]]) -> None:
        """Fold a story, keeping how far it reads."""
        task: Task | None = None
        for record in records:
            event = TASK_CODEC.decode(record)
            if task is not None:
                task, _ = machine.step(task, event)
            elif isinstance(event, Received):
                task = machine.receive(event)
            else:
                raise BrokenPrecondition(f"a story begins with {type(event).__name__}")
            self._swap(task_id, task)
            self._written[task_id] = task.now

    def _keep_unread(
        self, stream: str, records: Iterable[Mapping[str, Any]], fault: Exception
    ) -> None:
        """Leave a stream as it is, and copy it for whoever fixes it."""
        words = self.boundary.take(fault, "journal", stream=stream)
        text = "\n".join(json.dumps(each) for each in records)
        told = self.boundary.note("stream_quarantined", "records", text, words, stream=stream)
        self.unread[stream] = told
        with suppress(Refused):
            self.troubles[TaskId.parse(stream)] = f"its journal does not read: {told}"

    def note(self, task_id: TaskId, fault: Exception, what: str, *, passing: bool = False) -> None:
        """Note what the work on a task raised; raises it where it concerns the program.

        Args:
            task_id: Whose work it was.
            fault: What was raised.
            what: Was being done.
            passing: Whether the trouble is over when the same goes ``well``.
        """
        words = self.boundary.take(fault, what, task_id=str(task_id))
        if task_id not in self.troubles or task_id in self.passing:
            self.troubles[task_id] = words
            (self.passing.add if passing else self.passing.discard)(task_id)
            self._tell(self.troubled, task_id)

    def well(self, task_id: TaskId) -> None:
        """Note that what failed for a task has gone well."""
        if task_id in self.passing:
            self.passing.discard(task_id)
            self.troubles.pop(task_id, None)
            self._tell(self.troubled, task_id)

    def _tell(self, signal: Signal[[TaskId]], task_id: TaskId) -> None:
        """Tell of a task, unless all are still to be read anew by whoever listens."""
        if self._is_resumed:
            signal(task_id)

    def resume(self) -> None:
        """Act on everything that is outstanding, and tell of every change from now on."""
        self._is_resumed = True
        for task in self.open_tasks():
            self._act_later(task, machine.outstanding(task))

    def after(self, act: Callable[[], None]) -> None:
        """Do something once all that is known now is durable: whatever leaves the program."""
        self._journal.after(act)

    def _act_later(self, task: Task, effects: Iterable[TaskMachineEffect]) -> None:
        """Act once the journal holds why, on what is wanted from now until then."""
        wanted = list(effects)
        if wanted:
            self._waiting.setdefault(task.facts.task_id, []).append(wanted)
            self._journal.after(lambda: self._act_now(task, wanted))

    def _act_now(self, task: Task, wanted: Iterable[TaskMachineEffect]) -> None:
        waiting = self._waiting[task.facts.task_id]
        waiting.pop(0)
        if not waiting:
            del self._waiting[task.facts.task_id]
        for effect in wanted:
            self._do(task, effect)

    def _drop_unwanted(self, task: Task) -> None:
        """Ask no more for what waits and has become needless."""
        if waiting := self._waiting.get(task.facts.task_id):
            still = frozenset(machine.outstanding(task))
            for wanted in waiting:
                wanted[:] = [effect for effect in wanted if effect in still]

    def _do(self, task: Task, effect: TaskMachineEffect) -> None:
        if not self._is_resumed:
            return
        try:
            self.act(task, effect)
        except Exception as fault:  # noqa: BLE001 - as in recover
            self.note(task.facts.task_id, fault, "effect")

    def look_from(self, block: BlockNumber) -> None:
        """Remember that deals are looked for from a block on; none behind it is known by now."""
        for name in (FIRST_BLOCK_CURSOR, CURSOR):
            self._journal.mark(name, block)
        self.first = self.cursor = block

    def seen(self, block: BlockNumber) -> None:
        """Remember that deals up to a block are known."""
        if self.cursor is None or block > self.cursor:
            self._journal.mark(CURSOR, block)
            self.cursor = block

    def keep(self, row: SettledRow) -> None:
        """Keep a row beside the tasks."""
        self._journal.keep(row)

    def receive(self, event: Received) -> None:
        """Begin a task; one that exists already is left alone."""
        task_id = event.facts.task_id
        if task_id in self.tasks or str(task_id) in self.unread:
            return
        self._write(task_id, event)
        self._swap(task_id, machine.receive(event))
        self._tell(self.changed, task_id)

    def feed(self, task_id: TaskId, event: TaskMachineEvent) -> None:
        """Apply one event to a task; an unknown task is left alone.

        Raises:
            IllegalTransition: A worker's report is refused; nothing has changed.
        """
        try:
            self._feed(task_id, event)
        except IllegalTransition:
            raise
        except Exception as fault:  # noqa: BLE001 - as in recover
            self.note(task_id, fault, type(event).__name__)

    def _feed(self, task_id: TaskId, event: TaskMachineEvent) -> None:
        before = self.tasks.get(task_id)
        if before is None or task_id in self._leaving:
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
        self._drop_unwanted(after)
        self._act_later(after, effects)
        if not silent:
            self._tell(self.changed, task_id)

    def _write(self, task_id: TaskId, event: TaskMachineEvent) -> None:
        stream = str(task_id)
        if stream not in self.unread:
            self._journal.add(stream, TASK_CODEC.encode(event))
        self._written[task_id] = max(event.at, self._written.get(task_id, event.at))

    def open_tasks(self) -> Iterator[Task]:
        """Yield tasks whose story is not over."""
        for task_id in tuple(self.index.open):
            yield self.tasks[task_id]

    def tasks_of(self, worker: Address) -> Iterator[Task]:
        """Yield open tasks in which a worker has a replicate that is not over."""
        for task_id in tuple(self.index.of(worker)):
            yield self.tasks[task_id]

    def retire(self, task_id: TaskId) -> None:
        """Have a settled task made a row; it leaves once that is durable, and changes no more."""
        task = self.tasks[task_id]
        if task_id in self._leaving or str(task_id) in self.unread or not machine.is_settled(task):
            return
        self._leaving.add(task_id)
        self._journal.keep(task)
        self._journal.forget(str(task_id))
        self._journal.after(lambda: self._leave(task))

    def _leave(self, task: Task) -> None:
        name = task.facts.task_id
        self._leaving.discard(name)
        self.index.leave(task)
        self.pages.leave(task)
        for known in (self.tasks, self._written, self.troubles):
            known.pop(name, None)
        self.passing.discard(name)
        self.left(task)

    def _swap(self, task_id: TaskId, task: Task) -> None:
        before = self.tasks.get(task_id)
        self.tasks[task_id] = task
        self.index.swap(before, task)
        self.pages.swap(before, task)
        if task.status in FINAL_TASK and task_id not in self.index.open:
            log.debug("task_settled", task_id=str(task_id), status=task.status)


def _without_news(task: Task, event: TaskMachineEvent) -> TaskMachineEvent:
    """Turn a view that repeats what is known into a mere tick, which need not be journaled."""
    if isinstance(event, Viewed) and task.view is not None:
        known = replace(task.view, block=event.view.block, block_time=event.view.block_time)
        if known == event.view:
            return Ticked(event.at)
    return event
