"""What apps have printed, kept for a while: lines by their numbers, and the ends of what has ended.

Nothing of it decides anything: what cannot be kept is lost, told, and no trouble of the pool's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from poolhand.domain.app_lines import AppLine
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.line_window import LineRun
from poolhand.domain.units import KIB, UnixSeconds

OutputEnds: TypeAlias = Mapping[Address, tuple[str, str]]
"""By worker: the ends of standard output and standard error."""
BYTES_PER_ENTRY: Final = 320
"""What each run of lines, and each end, takes of a database besides its text: keys and indexes."""
KEPT_RUNS_AT_ONCE: Final = 256
KEPT_BYTES_AT_ONCE: Final = 64 * KIB
"""What is read at once: so many kept runs of lines, and of more than one so many bytes together. An
app that prints now and then makes a run of each line: one by one they would come later and later.
"""


@dataclass(frozen=True, slots=True)
class SpoolBounds:
    """What is kept at most: bytes of one task's lines on one worker, and of everything.

    Texts count as they are encoded (UTF-8), and ``BYTES_PER_ENTRY`` with each entry.
    """

    per_output: int = 1024**2
    in_all: int = 1024**3


class OutputSpool(Protocol):
    """Keeps them. ``keep`` and ``keep_end`` wait for nothing and fail at nothing."""

    def keep(
        self, task_id: TaskId, worker: Address, run: LineRun[AppLine], at: UnixSeconds
    ) -> None:
        """Have lines kept, as far as there is room; lines that are there already stay."""

    def keep_end(
        self, task_id: TaskId, worker: Address, stdout: str, stderr: str, at: UnixSeconds
    ) -> None:
        """Have the end of an output kept, in place of one of the same worker's."""

    async def run(self, task_id: TaskId, worker: Address, after: int) -> LineRun[AppLine] | None:
        """Return lines that are kept, from number ``after`` on or the next that is there.

        Consecutive ones, as many as are read at once: whoever wants the rest asks again. None where
        none is.
        """

    async def numbers(self, task_id: TaskId) -> Mapping[Address, int]:
        """Return the number behind the last line that is kept, by worker."""

    async def ends(self, task_id: TaskId) -> OutputEnds:
        """Return the ends of the outputs of a task."""

    async def prune(self, before: UnixSeconds) -> None:
        """Let go of what is older, and of the oldest as long as all takes too much."""

    def close(self) -> None:
        """Write what waits, and let go of the database; repeatable."""
