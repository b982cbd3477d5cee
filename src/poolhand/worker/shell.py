"""The worker's shell: journal, then act, and feed every outcome back.

``feed`` never awaits, so that one event loop needs no lock; *step, append, swap, act* is the only
order. A crash between any two of them loses nothing: the journal is replayed, and what is
outstanding is asked for again.

What a stage raises ends its own replicate; see "Errors" in ARCHITECTURE.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Final, Protocol

import structlog

from poolhand.domain.errors import IllegalTransition
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate import blame, machine
from poolhand.domain.replicate.machine import (
    Accepted,
    Acknowledged,
    Action,
    Clean,
    Cleaned,
    Faulted,
    Finished,
    Forget,
    Outlived,
    Quarantined,
    Recovered,
    Replicate,
    ReplicateEffect,
    ReplicateEvent,
    Report,
    Run,
    Tried,
)
from poolhand.domain.units import UnixSeconds
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.ports.clock import Clock
from poolhand.ports.journal import Journal
from poolhand.transport.plumbing import first_of
from poolhand.worker.stories import REPLICATE_CODEC, Story, read_stories

__all__ = ["REPLICATE_CODEC", "ReplicateShell", "StageRunner"]

PAUSES_OF_STAGES: Final = (2.0, 8.0, 30.0)
"""Seconds before a stage that raised is tried again where giving up is worse: a contribution may
have been sent, and what is left of a task lies on the disk."""

log = structlog.get_logger()


class StageRunner(Protocol):
    """What carries out the stages."""

    async def perform(self, replicate: Replicate, action: Action) -> Finished:
        """Carry out one stage; raises nothing that was to be expected."""

    async def clean(self, replicate: Replicate) -> None:
        """Remove what the replicate left behind; repeatable."""


class ReplicateShell:
    """All replicates of one worker.

    Args:
        journal: Where events go first.
        stages: What does the work.
        tell: Called with each report; must not block. Repeats of what it did not acknowledge come
            through ``unreported``.
        clock: For the events made here.
        tasks: Owns the running stages.
        boundary: Takes what stages raise and nobody expected; only what concerns the program,
            such as a full journal, ends it.
        replicates: Filled here; for whoever has to know what is held.

    Attributes:
        replicates: All that are held, by task.
        unread: Streams of the journal that do not read, and why: such a replicate is quarantined,
            what it does from now on is not written down.
    """

    def __init__(
        self,
        journal: Journal,
        stages: StageRunner,
        tell: Callable[[TaskId, Replicate, tuple[Report, ...]], None],
        clock: Clock,
        tasks: asyncio.TaskGroup,
        boundary: FaultBoundary | None = None,
        replicates: dict[TaskId, Replicate] | None = None,
    ) -> None:
        self._journal, self._stages, self._tell = journal, stages, tell
        self._clock, self._tasks, self._boundary = clock, tasks, boundary or FaultBoundary()
        self._running: dict[TaskId, asyncio.Task[None]] = {}
        self.replicates = {} if replicates is None else replicates
        self.unread: dict[str, str] = {}

    # ------------------------------------------------------------------------------------ a start

    def recover(self, *, sudden: bool = False) -> None:
        """Rebuild every replicate from the journal and take up what was left hanging.

        Args:
            sudden: Whether the program before this one ended without a word, see
                ``domain.replicate.blame``.
        """
        for story in read_stories(self._journal):
            if story.task_id is not None and story.replicate is not None:
                self.replicates[story.task_id] = story.replicate
            if story.fault is not None:
                self._keep_unread(story, story.fault)
        self._resume(sudden=sudden)
        verdict = blame.judge(self.replicates)
        for task_id in verdict.guilty:
            self._quarantine(task_id, blame.words(self.replicates[task_id]))
        for task_id, replicate in tuple(self.replicates.items()):
            hanging = machine.outstanding(replicate)
            self._start(task_id, tuple(e for e in hanging if not isinstance(e, Report)))
            if replicate.trouble.falls and task_id not in verdict.suspects:
                self._tasks.create_task(self._outlive(task_id))
        if verdict.suspects:
            self._tasks.create_task(self._try(verdict.suspects))

    def _resume(self, *, sudden: bool) -> None:
        """Tell every replicate of the start; what it asks for is not begun yet."""
        for task_id, replicate in tuple(self.replicates.items()):
            if replicate.is_over and not (sudden and replicate.is_at_work):
                continue
            if not replicate.is_over:
                log.info("replicate_recovered", task_id=str(task_id), status=replicate.status)
            event = Recovered(self._clock.now(), sudden)
            after, effects = machine.step(replicate, event)
            self._write(task_id, event)
            self.replicates[task_id] = after
            self._report(task_id, effects)

    def _keep_unread(self, story: Story, fault: Exception) -> None:
        """Shut away what the journal does not tell to its end; its records stay, and are copied."""
        words = self._boundary.take(fault, "journal", stream=story.stream)
        self.unread[story.stream] = words
        told = self._boundary.note(
            "stream_quarantined", "records", story.text(), words, stream=story.stream
        )
        if story.task_id in self.replicates:
            self._quarantine(story.task_id, f"quarantined: its journal does not read: {told}")

    def _quarantine(self, task_id: TaskId, words: str) -> None:
        replicate = self.replicates[task_id]
        records = "\n".join(str(entry) for entry in replicate.history)
        told = self._boundary.note(
            "replicate_quarantined", "quarantine", records, words, task_id=str(task_id)
        )
        self.feed(task_id, Quarantined(self._clock.now(), told))

    async def _try(self, suspects: Iterable[TaskId]) -> None:
        """Begin each suspect's stage again without the others'."""
        for task_id in suspects:
            self.feed(task_id, Tried(self._clock.now()))
            await self._outlive(task_id)

    async def _outlive(self, task_id: TaskId) -> None:
        """Clear a replicate once the program has outlived its stage, or the first minute of it."""
        stage = self._running.get(task_id)
        if stage is not None:
            await first_of(self._clock.sleep(blame.OUTLIVED), _ended(stage))
        if self.replicates[task_id].trouble.falls if task_id in self.replicates else 0:
            self.feed(task_id, Outlived(self._clock.now()))

    # ------------------------------------------------------------------------------------- events

    def accept(self, event: Accepted) -> None:
        """Begin a replicate; one that exists already is left alone."""
        task_id = event.offer.task_id
        if task_id in self.replicates:
            return
        replicate = machine.accept(event)
        self._write(task_id, event)
        self.replicates[task_id] = replicate
        self._start(task_id, machine.outstanding(replicate))

    def feed(self, task_id: TaskId, event: ReplicateEvent) -> None:
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
        self._write(task_id, event)
        self.replicates[task_id] = after
        self._start(task_id, effects)

    def unreported(self) -> None:
        """Tell again whatever the scheduler has not acknowledged."""
        for task_id, replicate in tuple(self.replicates.items()):
            self._report(task_id, machine.outstanding(replicate))

    def acknowledged(self, task_id: TaskId, event: Acknowledged) -> None:
        """Hear how many reports the scheduler has stored.

        Fewer than it said before it has where it goes on from an older copy of its database: then
        it is told all that it lacks, as often as the machine lets that be.
        """
        before = self.replicates.get(task_id)
        if before is None or event.count >= before.acknowledged:
            self.feed(task_id, event)
            return
        after, _ = machine.step(before, event)
        if after == before:
            return
        self._write(task_id, event)
        self.replicates[task_id] = after
        self._report(task_id, machine.outstanding(after))

    def offered_again(self, task_id: TaskId, at: UnixSeconds) -> None:
        """Tell all of a replicate: a scheduler that offers its task has heard nothing of it."""
        if self.replicates[task_id].acknowledged:
            self.acknowledged(task_id, Acknowledged(at, 0))
        else:
            self._report(task_id, machine.outstanding(self.replicates[task_id]))

    def _write(self, task_id: TaskId, event: ReplicateEvent) -> None:
        if str(task_id) not in self.unread:
            self._journal.append(str(task_id), REPLICATE_CODEC.encode(event))

    # ------------------------------------------------------------------------------------ effects

    def _start(self, task_id: TaskId, effects: tuple[ReplicateEffect, ...]) -> None:
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

    def _report(self, task_id: TaskId, effects: tuple[ReplicateEffect, ...]) -> None:
        reports = tuple(effect for effect in effects if isinstance(effect, Report))
        if reports:
            with self._boundary.around("telling", task_id=str(task_id)):
                self._tell(task_id, self.replicates[task_id], reports)

    def _spawn(self, task_id: TaskId, work: Coroutine[None, None, None]) -> None:
        former = self._running.get(task_id)
        if former is not None and former is not asyncio.current_task():
            former.cancel()
        self._running[task_id] = self._tasks.create_task(work)

    def _forget(self, task_id: TaskId) -> None:
        self._journal.forget(str(task_id))
        self.unread.pop(str(task_id), None)
        self.replicates.pop(task_id, None)
        self._running.pop(task_id, None)

    async def _perform(self, task_id: TaskId, action: Action) -> None:
        """Carry out a stage; whatever it raises ends it, in words."""
        pauses = iter(PAUSES_OF_STAGES if action is Action.CONTRIBUTE else ())
        while (replicate := self.replicates.get(task_id)) is not None:
            try:
                self.feed(task_id, await self._stages.perform(replicate, action))
            except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not the task's
                words = self._boundary.take(fault, action, task_id=str(task_id))
                pause = next(pauses, None)
                if pause is None:
                    self._break_off(task_id, action, words)
                    return
                await self._clock.sleep(pause)
            else:
                return

    def _break_off(self, task_id: TaskId, action: Action, words: str) -> None:
        try:
            self.feed(task_id, Faulted(self._clock.now(), action, words))
        except IllegalTransition as fault:
            log.warning("fault_refused", task_id=str(task_id), cause=str(fault))

    async def _clean(self, task_id: TaskId) -> None:
        """Clean up; what cannot be cleaned is left where it is, and that is told."""
        for pause in (*PAUSES_OF_STAGES, None):
            if task_id not in self.replicates:
                return
            try:
                await self._stages.clean(self.replicates[task_id])
            except Exception as fault:  # noqa: BLE001 - as in _perform
                self._boundary.take(fault, "clean", task_id=str(task_id))
            else:
                break
            if pause is not None:
                await self._clock.sleep(pause)
        self.feed(task_id, Cleaned(self._clock.now()))


async def _ended(stage: asyncio.Task[None]) -> None:
    await asyncio.wait({stage})
