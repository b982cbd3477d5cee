"""The worker's shell: journal, then act, and feed every outcome back.

``feed`` never awaits, so that one event loop needs no lock; *step, append, swap, act* is the only
order. A crash between any two of them loses nothing: the journal is replayed, and what is
outstanding is asked for again.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Coroutine
from typing import Final, Protocol, get_args

import structlog

from poolhand.domain.ids import TaskId
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.machine import (
    Accepted,
    Action,
    Clean,
    Cleaned,
    Effect,
    Event,
    Finished,
    Forget,
    Recovered,
    Replicate,
    Report,
    Run,
)
from poolhand.ports.clock import Clock
from poolhand.ports.journal import Journal
from poolhand.wire.journal_json import EventCodec

CODEC: Final[EventCodec[Event]] = EventCodec(get_args(machine.Event))

log = structlog.get_logger()


class Hands(Protocol):
    """What carries out the stages."""

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage; raises nothing that was to be expected."""

    async def clean(self, replicate: Replicate) -> None:
        """Remove what the replicate left behind; repeatable."""


class ReplicateShell:
    """All replicates of one worker.

    Args:
        journal: Where events go first.
        hands: What does the work.
        tell: Called with each report; must not block. Repeats of what it did not acknowledge come
            through ``unreported``.
        clock: For the events made here.
        tasks: Owns the running stages; what a hand cannot name as an outcome ends the program.
    """

    def __init__(
        self,
        journal: Journal,
        hands: Hands,
        tell: Callable[[TaskId, Replicate, tuple[Report, ...]], None],
        clock: Clock,
        tasks: asyncio.TaskGroup,
    ) -> None:
        self._journal, self._hands, self._tell = journal, hands, tell
        self._clock, self._tasks = clock, tasks
        self._running: dict[TaskId, asyncio.Task[None]] = {}
        self.replicates: dict[TaskId, Replicate] = {}

    def recover(self) -> None:
        """Rebuild every replicate from the journal and take up what was left hanging."""
        events: defaultdict[TaskId, list[Event]] = defaultdict(list)
        for stream, record in self._journal.read():
            events[TaskId.parse(stream)].append(CODEC.decode(record))
        for task_id, story in events.items():
            replicate = machine.replay(story)
            self.replicates[task_id] = replicate
            hanging = machine.outstanding(replicate)
            self._start(task_id, tuple(e for e in hanging if not isinstance(e, Report)))
            if not replicate.is_over:
                log.info("replicate_recovered", task_id=str(task_id), status=replicate.status)
                self.feed(task_id, Recovered(self._clock.now()))

    def accept(self, event: Accepted) -> None:
        """Begin a replicate; one that exists already is left alone."""
        task_id = event.offer.task_id
        if task_id in self.replicates:
            return
        replicate = machine.accept(event)
        self._journal.append(str(task_id), CODEC.encode(event))
        self.replicates[task_id] = replicate
        self._start(task_id, machine.outstanding(replicate))

    def feed(self, task_id: TaskId, event: Event) -> None:
        """Apply one event to a replicate.

        Raises:
            IllegalTransition: The event is refused; nothing has changed.
        """
        before = self.replicates.get(task_id)
        if before is None:
            return
        after, effects = machine.step(before, event)
        if after == before:
            return
        self._journal.append(str(task_id), CODEC.encode(event))
        self.replicates[task_id] = after
        self._start(task_id, effects)

    def unreported(self) -> None:
        """Tell again whatever the scheduler has not acknowledged."""
        for task_id, replicate in self.replicates.items():
            self._report(task_id, machine.outstanding(replicate))

    def _start(self, task_id: TaskId, effects: tuple[Effect, ...]) -> None:
        for effect in effects:
            match effect:
                case Run(action):
                    self._spawn(task_id, self._perform(task_id, action))
                case Clean():
                    self._spawn(task_id, self._clean(task_id))
                case Forget():
                    self._forget(task_id)
                case Report():
                    pass
        self._report(task_id, effects)

    def _report(self, task_id: TaskId, effects: tuple[Effect, ...]) -> None:
        reports = tuple(effect for effect in effects if isinstance(effect, Report))
        if reports:
            self._tell(task_id, self.replicates[task_id], reports)

    def _spawn(self, task_id: TaskId, work: Coroutine[None, None, None]) -> None:
        former = self._running.get(task_id)
        if former is not None and former is not asyncio.current_task():
            former.cancel()
        self._running[task_id] = self._tasks.create_task(work)

    def _forget(self, task_id: TaskId) -> None:
        self._journal.forget(str(task_id))
        self.replicates.pop(task_id, None)
        self._running.pop(task_id, None)

    async def _perform(self, task_id: TaskId, action: Action) -> None:
        self.feed(task_id, await self._hands.perform(self.replicates[task_id], action))

    async def _clean(self, task_id: TaskId) -> None:
        await self._hands.clean(self.replicates[task_id])
        self.feed(task_id, Cleaned(self._clock.now()))
