"""Crashes on purpose: every port of a program counts its uses, and one of them is the last.

A blown fuse stays blown until the program is buried: what a killed process did not do before, it
does not do after. The wrappers also hold the two laws of house style: nothing is asked for that
the journal does not call outstanding, and nothing is told that the journal does not hold.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from poolhand.domain.replicate import machine as replicate_machine
from poolhand.domain.task import machine as task_machine
from poolhand.domain.task.machine import SendClaim, SendFinalize, SendInitialize, SendReopen
from poolhand.ports.journal import Forgotten, Written
from poolhand.scheduler.engine import TASK_CODEC
from poolhand.store.group import GroupCommit
from poolhand.store.memory import MemoryJournal
from poolhand.worker.shell import REPLICATE_CODEC


class Crash(BaseException):
    """The process is killed here; nothing may catch this."""


@dataclass
class Fuse:
    """Counts the points at which a program touches the world.

    Attributes:
        at: Numbers of the points that kill it.
        trace: Names of the points passed so far.
    """

    at: frozenset[int] = frozenset()
    trace: list[str] = field(default_factory=list)
    is_blown: bool = False

    def point(self, name):
        if self.is_blown:
            raise Crash(name)
        self.trace.append(name)
        if len(self.trace) in self.at:
            self.is_blown = True
            raise Crash(name)

    def blow(self):
        """Die at the next point."""
        self.at |= {len(self.trace) + 1}


class FusedJournal:
    """Implements ``ports.journal.Journal``, and knows the state of every stream it holds.

    Args:
        journal: Where events go.
        fuse: Of the program.
        machine: Of its streams, with its ``begin`` for the first event.
        codec: Of its events.
    """

    def __init__(self, journal: MemoryJournal, fuse: Fuse, machine, begin, codec) -> None:
        self.journal, self.fuse = journal, fuse
        self._machine, self._begin, self._codec = machine, begin, codec
        self._states = {}

    @classmethod
    def of_worker(cls, fuse: Fuse):
        machine = replicate_machine
        return cls(MemoryJournal(), fuse, machine, machine.accept, REPLICATE_CODEC)

    @classmethod
    def of_pool(cls, fuse: Fuse):
        return cls(MemoryJournal(), fuse, task_machine, task_machine.receive, TASK_CODEC)

    def reopened(self):
        """Return what a restarted program finds."""
        self.journal = self.journal.reopened()
        return self

    def _follow(self, stream, event) -> None:
        if "/" in stream:
            return  # of a section beside the tasks
        event, known = self._codec.decode(event), self._states.get(stream)
        self._states[stream] = self._machine.step(known, event)[0] if known else self._begin(event)

    def state(self, task_id):
        """Return a replicate or task as the journal tells it, None when it does not."""
        return self._states.get(str(task_id))

    def append(self, stream, event):
        self.fuse.point(f"before append {event.get('t', stream)}")
        self.journal.append(stream, event)
        self._follow(stream, event)
        self.fuse.point(f"after append {event.get('t', stream)}")

    def commit(self, changes):
        """Take what gathered in a group; a crash comes before the group or after it."""
        self.fuse.point(f"before a commit of {len(changes)}")
        self.journal.commit(changes)
        for change in changes:
            match change:
                case Written(stream, text):
                    self._follow(stream, json.loads(text))
                case Forgotten(stream):
                    self._states.pop(stream, None)
        self.fuse.point("after commit")

    def read(self, prefix=""):
        return self.journal.read(prefix)

    @property
    def archive(self):
        return self.journal.archive

    def marks(self):
        return self.journal.marks()

    def forget(self, stream):
        self.fuse.point("before forget")
        self.journal.forget(stream)
        self._states.pop(stream, None)
        self.fuse.point("after forget")

    def close(self):
        self.journal.close()


class FusedLog(GroupCommit):
    """A log in which a program may die between adding an event and its commit, too."""

    def __init__(self, journal: FusedJournal, writer) -> None:
        super().__init__(journal, writer)
        self._fuse = journal.fuse

    def read(self, prefix=""):
        found = super().read(prefix)
        return (each for each in found if prefix or "/" not in each[0])

    def add(self, stream, event):
        self._fuse.point(f"before adding {event.get('t', stream)}")
        super().add(stream, event)
        self._fuse.point(f"after adding {event.get('t', stream)}")

    def keep(self, row):
        self._fuse.point("before keeping")
        super().keep(row)

    def forget(self, stream):
        self._fuse.point("before forgetting")
        super().forget(stream)
        self._fuse.point("after forgetting")


class Fused:
    """A port whose methods die before or after they have done their work."""

    def __init__(self, port, fuse: Fuse, *names: str) -> None:
        self._port = port
        for name in names:
            setattr(self, name, self._wrap(name, getattr(port, name), fuse))

    def __getattr__(self, name):
        return getattr(self._port, name)

    @staticmethod
    def _wrap(name, method, fuse):
        async def call(*args):
            fuse.point(f"before {name}")
            result = await method(*args)
            fuse.point(f"after {name}")
            return result

        return call


class FusedStages:
    """StageRunner that die before or after a stage, and that are asked only for what is outstanding."""

    def __init__(self, stages, fuse: Fuse, journal: FusedJournal) -> None:
        self._stages, self._fuse, self._journal = stages, fuse, journal

    async def perform(self, replicate, action):
        self._fuse.point(f"before {action}")
        known = self._journal.state(replicate.offer.task_id)
        assert known is not None, f"{action} of a replicate that is not in the journal"
        assert replicate_machine.Run(action) in replicate_machine.outstanding(known)
        finished = await self._stages.perform(replicate, action)
        self._fuse.point(f"after {action}")
        return finished

    async def clean(self, replicate):
        self._fuse.point("before clean")
        known = self._journal.state(replicate.offer.task_id)
        assert known is not None
        assert replicate_machine.Clean() in replicate_machine.outstanding(known)
        await self._stages.clean(replicate)
        self._fuse.point("after clean")


def check_told_by_worker(message, journal: FusedJournal) -> None:
    """Check that a worker tells only what its journal holds (a declined offer is in none)."""
    known = journal.state(message.task_id)
    if known is None:
        assert [each.status for each in message.statuses] == ["FAILED"]
        return
    last = message.first + len(message.statuses)
    held = [entry.status for entry in known.history[message.first : last]]
    assert [each.status for each in message.statuses] == held, "told before it was journaled"


TRANSACTIONS = (SendInitialize, SendFinalize, SendReopen, SendClaim)


def check_acted_by_pool(task, effect, journal: FusedJournal) -> None:
    """Check that the scheduler does only what its journal calls outstanding."""
    known = journal.state(task.facts.task_id)
    assert known is not None
    assert effect in task_machine.outstanding(known), f"{effect} is not what the journal asks for"


def check_acknowledged_by_pool(message, worker, journal: FusedJournal) -> None:
    """Check that the scheduler acknowledges only what its journal holds."""
    known = journal.state(message.task_id)
    attempt = known.attempt(worker) if known else None
    if attempt is not None and not attempt.is_over:
        assert attempt.reports >= message.count, "acknowledged before it was journaled"
