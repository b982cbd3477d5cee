"""What the apps of a task have printed, as far as it is kept: the end, or what was told so far."""

from __future__ import annotations

from typing import Final

from poolhand.domain.app_lines import without_colours
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.units import DAY, KIB, UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.ports.output_spool import OutputEnds, OutputSpool
from poolhand.scheduler.kept_logs import KeptLogs

MOST_OF_STREAM: Final = 96 * KIB
"""Characters of one stream that are put together of lines: the last ones."""
BETWEEN_LOG_PRUNINGS: Final = 3600.0
"""Seconds."""


class TaskLogs:
    """Finds them.

    Args:
        kept: Has the newest.
        spool: Has those of the last days.
        clock: Tells the time that is kept with them.
    """

    def __init__(self, kept: KeptLogs, spool: OutputSpool, clock: Clock) -> None:
        self._kept, self._spool, self._clock = kept, spool, clock

    def keep(self, worker: Address, task_id: TaskId, stdout: str, stderr: str) -> None:
        """Keep the end of what an app printed on a worker, instead of what it had before."""
        self._kept.keep(worker, task_id, stdout, stderr)
        self._spool.keep_end(task_id, worker, stdout, stderr, self._clock.now())

    async def of(self, task_id: TaskId) -> OutputEnds:
        """Return what the app printed on each worker: the end, or what was told until now."""
        ended = {**await self._spool.ends(task_id), **self._kept.get(task_id, {})}
        running = (await self._spool.numbers(task_id)).keys() - ended.keys()
        return {**ended, **{each: await self._told(task_id, each) for each in running}}

    async def _told(self, task_id: TaskId, worker: Address) -> tuple[str, str]:
        """Put together what was told of an app that has not ended, without its colours."""
        streams, after = ["", ""], 0
        while (run := await self._spool.run(task_id, worker, after)) is not None:
            for line in run.lines:
                at = int(line.is_error)
                streams[at] = streams[at][-MOST_OF_STREAM:] + without_colours(line.text) + "\n"
            after = run.end
        return streams[0][-MOST_OF_STREAM:], streams[1][-MOST_OF_STREAM:]

    async def keep_pruning(self, days: int) -> None:
        """Let go of what is older than so many days, for ever."""
        while True:
            await self._spool.prune(UnixSeconds(self._clock.now() - days * DAY))
            await self._clock.sleep(BETWEEN_LOG_PRUNINGS)
