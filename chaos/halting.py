"""A worker's journal that makes the worker stand still exactly where it is told to.

The order is a file; without one, the journal is an ordinary one. Standing still is SIGSTOP: to the
world, the process has frozen between two of its instructions.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos.matrix import Moment
from poolhand.domain.replicate import machine
from poolhand.domain.replicate.status import Status
from poolhand.ports.journal import Journal
from poolhand.worker.shell import REPLICATE_CODEC


@dataclass(frozen=True)
class Order:
    """Stand still where a replicate first gets a status; ``delay`` (s) counts for AMID alone."""

    status: Status
    moment: Moment
    delay: float = 0.0

    def write(self, path: Path) -> None:
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps(asdict(self)), encoding="utf-8")
        draft.replace(path)

    @classmethod
    def read(cls, path: Path) -> Order | None:
        try:
            members = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return cls(Status(members["status"]), Moment(members["moment"]), members["delay"])


def lived_file(order: Path) -> Path:
    """Return where the statuses are written down: ``task id, status`` by line."""
    return order.with_name("lived")


def stand_still() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


class HaltingJournal:
    """Implements ``ports.journal.Journal`` over another one; obeys one order, once.

    Beside the order it writes down what was journaled, for replicates are forgotten at their end.
    """

    def __init__(
        self, journal: Journal, order: Path, halt: Callable[[], None] = stand_still
    ) -> None:
        self._journal, self._order, self._halt = journal, order, halt
        self._lived = lived_file(order)
        self._stories: defaultdict[str, list[machine.ReplicateEvent]] = defaultdict(list)

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        order, news = Order.read(self._order), self._news(stream, event)
        meets = order is not None and order.status in news
        if meets:
            self._order.unlink()
        if meets and order.moment is Moment.BEFORE:
            self._halt()
        self._journal.append(stream, event)
        self._stories[stream].append(REPLICATE_CODEC.decode(event))
        with self._lived.open("a", encoding="utf-8") as lived:
            lived.writelines(f"{stream} {status}\n" for status in news)
        if meets and order.moment is Moment.AFTER:
            self._halt()
        if meets and order.moment is Moment.AMID:
            timer = threading.Timer(order.delay, self._halt)
            timer.daemon = True
            timer.start()

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        self._stories.clear()
        for stream, event in self._journal.read(prefix):
            self._stories[stream].append(REPLICATE_CODEC.decode(event))
            yield stream, event

    def forget(self, stream: str) -> None:
        self._stories.pop(stream, None)
        self._journal.forget(stream)

    def close(self) -> None:
        self._journal.close()

    def _news(self, stream: str, event: Mapping[str, Any]) -> tuple[Status, ...]:
        """Return the statuses that an event brings."""
        story = self._stories[stream]
        known = len(machine.replay(story).history) if story else 0
        after = machine.replay([*story, REPLICATE_CODEC.decode(event)])
        return tuple(entry.status for entry in after.history[known:])
