"""Replicates as the journal tells them; a story that does not read does no harm to the others."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

from poolhand.domain.errors import BrokenPrecondition
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.machine import Accepted, Replicate, ReplicateEvent
from poolhand.ports.journal import Journal
from poolhand.wire.journal_json import EventCodec

REPLICATE_CODEC: Final[EventCodec[ReplicateEvent]] = EventCodec(
    (*get_args(machine.ReplicateEvent),)
)

Records = list[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Story:
    """One stream.

    Attributes:
        stream: Its name.
        records: All of it.
        task_id, replicate: As far as it reads; None where it does not even begin.
        fault: Why it does not read to its end; None when it does.
    """

    stream: str
    records: Records
    task_id: TaskId | None = None
    replicate: Replicate | None = None
    fault: Exception | None = None

    def text(self) -> str:
        """Return the records for a person, one per line."""
        return "\n".join(json.dumps(each) for each in self.records)


def read_stories(journal: Journal) -> Iterator[Story]:
    """Yield every stream, replayed as far as it reads; raises what the journal itself raises."""
    streams: defaultdict[str, Records] = defaultdict(list)
    for stream, record in journal.read():
        streams[stream].append(record)
    for stream, records in streams.items():
        yield _story(stream, records)


def _story(stream: str, records: Records) -> Story:
    task_id: TaskId | None = None
    replicate: Replicate | None = None
    try:
        task_id = TaskId.parse(stream)
        for record in records:
            replicate = _follow(replicate, REPLICATE_CODEC.decode(record))
    except Exception as fault:  # noqa: BLE001 - whatever it is, it is this story's alone
        return Story(stream, records, task_id, replicate, fault)
    return Story(stream, records, task_id, replicate)


def _follow(replicate: Replicate | None, event: ReplicateEvent) -> Replicate:
    if replicate is not None:
        return machine.step(replicate, event)[0]
    if not isinstance(event, Accepted):
        raise BrokenPrecondition(f"the story begins with {type(event).__name__}, not Accepted")
    return machine.accept(event)
