"""Boundaries between tasks: what the work of one raises ends it, no other and no program."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from poolhand.domain.errors import ends_program
from poolhand.observe.traces import IN_FILE, Traces, trace_of, words_of

SAME_FAULT_QUIET: Final = 600.0
"""Seconds in which the same fault of the same task is not written down again."""
MOST_FAULTS_KNOWN: Final = 256
"""Faults that are remembered for that."""

log = structlog.get_logger()


class FaultBoundary:
    """Takes what the work of one task raised, writes it down, and says it in words.

    Args:
        folder: Of the trace files; None keeps none.
        clock: Seconds since whenever, never turned back.
    """

    def __init__(
        self, folder: Path | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._traces, self._clock = Traces(folder), clock
        self._known: OrderedDict[tuple[str, ...], tuple[float, str]] = OrderedDict()

    def take(self, fault: BaseException, what: str, **facts: object) -> str:
        """Return a fault's words, with the name of its trace file; the log has the path.

        Args:
            fault: What was raised.
            what: What was being done: letters and hyphens.
            facts: About whom: ``task_id`` and the like.

        Raises:
            BaseException: ``fault`` itself, where it concerns the whole program.
        """
        if ends_program(fault):
            raise fault
        said, now = words_of(fault), self._clock()
        key = (what, said, *map(str, facts.values()))
        told_at, words = self._known.get(key, (-SAME_FAULT_QUIET, ""))
        if now >= told_at + SAME_FAULT_QUIET:
            words = self._write_down(fault, said, what, facts)
            self._remember(key, now, words)
        return words

    def note(self, event: str, what: str, text: str, cause: str, **facts: object) -> str:
        """Write down, once, what is no exception; returns the words with the file's name."""
        path = self._traces.write(what, text, cause=cause, **facts)
        log.error(event, cause=cause, trace=None if path is None else str(path), **facts)
        return cause if path is None else f"{cause} (trace {path.name})"

    @contextmanager
    def around(self, what: str, **facts: object) -> Iterator[None]:
        """Take whatever is raised inside; nothing but what concerns the program leaves."""
        try:
            yield
        except Exception as fault:  # noqa: BLE001 - this is what a boundary is for
            self.take(fault, what, **facts)

    def _write_down(
        self, fault: BaseException, said: str, what: str, facts: dict[str, object]
    ) -> str:
        path = self._traces.write(what, trace_of(fault, IN_FILE), cause=said, **facts)
        log.error(
            "fault_contained",
            work=what,
            cause=said,
            trace=None if path is None else str(path),
            acts="who maintains Poolhand",
            next_step="report the trace file; everything else goes on",
            **facts,
        )
        return said if path is None else f"{said} (trace {path.name})"

    def _remember(self, key: tuple[str, ...], now: float, words: str) -> None:
        self._known[key] = now, words
        self._known.move_to_end(key)
        while len(self._known) > MOST_FAULTS_KNOWN:
            self._known.popitem(last=False)
