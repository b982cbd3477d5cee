"""What apps have printed, in memory: gone with the process; for simulations and tests."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate

from poolhand.domain.app_lines import AppLine
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.line_window import LineRun, joined
from poolhand.domain.units import UnixSeconds
from poolhand.ports.output_spool import (
    BYTES_PER_ENTRY,
    KEPT_BYTES_AT_ONCE,
    KEPT_RUNS_AT_ONCE,
    OutputEnds,
    SpoolBounds,
)


class MemoryOutputSpool:
    """Implements ``ports.output_spool.OutputSpool``."""

    def __init__(self, bounds: SpoolBounds = SpoolBounds()) -> None:
        self._bounds = bounds
        self._runs: dict[tuple[TaskId, Address], list[tuple[UnixSeconds, LineRun[AppLine]]]] = {}
        self._ends: dict[TaskId, dict[Address, tuple[UnixSeconds, str, str]]] = {}

    def keep(
        self, task_id: TaskId, worker: Address, run: LineRun[AppLine], at: UnixSeconds
    ) -> None:
        """Keep lines."""
        known = self._runs.setdefault((task_id, worker), [])
        if sum(map(_size_of, [run, *(each for _, each in known)])) > self._bounds.per_output:
            return
        if not known or run.first >= known[-1][1].end:
            known.append((at, run))

    def keep_end(
        self, task_id: TaskId, worker: Address, stdout: str, stderr: str, at: UnixSeconds
    ) -> None:
        """Keep the end of an output."""
        self._ends.setdefault(task_id, {})[worker] = (at, stdout, stderr)

    async def run(self, task_id: TaskId, worker: Address, after: int) -> LineRun[AppLine] | None:
        """Return some of the lines that are kept."""
        kept = [run for _, run in self._runs.get((task_id, worker), ()) if run.end > after]
        sizes = accumulate(map(_size_of, kept[:KEPT_RUNS_AT_ONCE]))
        fit = [each for each, size in zip(kept, sizes, strict=False) if size <= KEPT_BYTES_AT_ONCE]
        found = joined(fit or kept[:1])
        return None if found is None else found.since(after)

    async def numbers(self, task_id: TaskId) -> Mapping[Address, int]:
        """Return the number behind the last line that is kept, by worker."""
        return {
            worker: runs[-1][1].end
            for (name, worker), runs in self._runs.items()
            if name == task_id and runs
        }

    async def ends(self, task_id: TaskId) -> OutputEnds:
        """Return the ends of the outputs of a task."""
        found = self._ends.get(task_id, {})
        return {worker: (out, err) for worker, (_, out, err) in found.items()}

    async def prune(self, before: UnixSeconds) -> None:
        """Let go of what is older, and of the oldest as long as all takes too much."""
        for runs in self._runs.values():
            runs[:] = [each for each in runs if each[0] >= before]
        for ends in self._ends.values():
            for worker in [each for each, (at, *_) in ends.items() if at < before]:
                del ends[worker]
        if self._held() > self._bounds.in_all:
            self._runs.clear()
            self._ends.clear()

    def _held(self) -> int:
        lines = sum(_size_of(run) for runs in self._runs.values() for _, run in runs)
        ends = (each for found in self._ends.values() for each in found.values())
        return lines + sum(_size(out, err) for _, out, err in ends)

    def close(self) -> None:
        """Do nothing."""


def _size_of(run: LineRun[AppLine]) -> int:
    return _size(*(each.text for each in run.lines))


def _size(*texts: str) -> int:
    return BYTES_PER_ENTRY + sum(len(each.encode(errors="replace")) for each in texts)
