"""A journal stepped through: each event, the state after it, and the effects that it asks for.

The machines are those of pool and worker themselves, and nothing of what they ask for is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from enum import Enum
from typing import Any, Final, get_args

from poolhand.domain.errors import BrokenPrecondition, PoolhandError, Refused
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate import machine as replicates
from poolhand.domain.task import machine as tasks
from poolhand.scheduler.engine import TASK_CODEC as OF_TASKS
from poolhand.wire.journal_json import EventCodec
from poolhand.worker.stories import REPLICATE_CODEC as OF_REPLICATES

SECTION: Final = "task/"
"""How the streams of tasks begin, in a pool's journal as in a worker's."""


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One record of a journal, and what came of it.

    Attributes:
        number: Of the record, from 1, over the whole journal.
        stream: It belongs to.
        task_id: Whose story it is; None of what is kept beside the stories (cursor, transactions).
        record: As it was written.
        event: Read from it; None where it did not read, or is of no story.
        before, state: Of the machine; None before the first event.
        effects: Newly asked for.
        fault: Why it does not replay.
    """

    number: int
    stream: str
    task_id: TaskId | None
    record: Mapping[str, Any]
    event: Any = None
    before: Any = None
    state: Any = None
    effects: tuple[Any, ...] = ()
    fault: str | None = None

    @property
    def name(self) -> str:
        """The kind of event."""
        return str(self.record.get("t", self.stream.partition("/")[0]))


@dataclass(frozen=True, slots=True)
class StateMachine:
    """What a story is replayed by: ``begin`` takes its first event, of type ``first``."""

    codec: EventCodec[Any]
    first: type
    begin: Callable[[Any], Any]
    step: Callable[[Any, Any], tuple[Any, tuple[Any, ...]]]
    outstanding: Callable[[Any], tuple[Any, ...]]


POOL_MACHINE: Final = StateMachine(
    OF_TASKS, tasks.Received, tasks.receive, tasks.step, tasks.outstanding
)
WORKER: Final = StateMachine(
    OF_REPLICATES, replicates.Accepted, replicates.accept, replicates.step, replicates.outstanding
)


_OF_POOL: Final = frozenset(kind.__name__ for kind in get_args(tasks.TaskMachineEvent))
"""Events of a pool's story; a worker's has none of these names."""


@dataclass(slots=True)
class _Story:
    machine: StateMachine
    state: Any = None
    fault: str | None = None


@dataclass(slots=True)
class Replay:
    """Steps through records; which machine a story needs is told by its events."""

    _stories: dict[str, _Story] = field(default_factory=dict)

    def steps(self, records: Iterable[tuple[str, Mapping[str, Any]]]) -> Iterator[ReplayStep]:
        """Yield a step for each record, in order; a story that breaks harms no other."""
        for number, (stream, record) in enumerate(records, 1):
            yield self._step(number, stream, record)

    def _step(self, number: int, stream: str, record: Mapping[str, Any]) -> ReplayStep:
        task_id = _task_of(stream)
        if task_id is None:
            return ReplayStep(number, stream, None, record)
        machine = POOL_MACHINE if record.get("t") in _OF_POOL else WORKER
        story = self._stories.setdefault(stream, _Story(machine))
        before, event, effects = story.state, None, ()
        try:
            if story.fault is not None:
                raise BrokenPrecondition(f"an earlier event did not replay: {story.fault}")
            event = story.machine.codec.decode(record)
            story.state, effects = _applied(story, event)
        except PoolhandError as fault:
            story.fault = story.fault or str(fault)
            return ReplayStep(
                number, stream, task_id, record, event, before, before, (), str(fault)
            )
        return ReplayStep(number, stream, task_id, record, event, before, story.state, effects)


def _applied(story: _Story, event: Any) -> tuple[Any, tuple[Any, ...]]:
    machine = story.machine
    if story.state is not None:
        return machine.step(story.state, event)
    if not isinstance(event, machine.first):
        raise BrokenPrecondition(f"a story begins with {type(event).__name__}")
    begun = machine.begin(event)
    return begun, machine.outstanding(begun)


def _task_of(stream: str) -> TaskId | None:
    try:
        return TaskId.parse(stream.removeprefix(SECTION))
    except Refused:
        return None


def plain(value: Any) -> Any:
    """Return a value of the domain as JSON values: bytes as 0x-hexadecimal, sets in order."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, frozenset | set):
        return sorted(plain(each) for each in value)
    return [plain(each) for each in value] if isinstance(value, tuple | list) else value


def step_members(step: ReplayStep) -> dict[str, Any]:
    """Return a step as JSON."""
    return {
        "number": step.number,
        "stream": step.stream,
        "event": dict(step.record),
        "status": status_of(step.state),
        "state": plain(step.state),
        "effects": [{"effect": type(each).__name__, **plain(each)} for each in step.effects],
        "fault": step.fault,
    }


def status_of(state: Any) -> str | None:
    """Return where a task or a replicate stands."""
    return None if state is None else str(state.status)
