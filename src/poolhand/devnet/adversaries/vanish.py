"""*Simulated*: a worker that is gone in the middle of its work."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from poolhand.devnet.adversaries.onlooker import Onlooker
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.machine import Acknowledged, Action, Finished, Replicate
from poolhand.domain.replicate.status import Status
from poolhand.ports.journal import Journal
from poolhand.worker.shell import REPLICATE_CODEC, StageRunner


def kill_this_process() -> None:
    """Leave no time for a farewell."""
    os.kill(os.getpid(), signal.SIGKILL)


class Vanishing:
    """Ends the program once the pool knows that it is COMPUTING.

    A replicate that was taken up again after a restart is computed honestly: else the worker could
    never live longer than it takes to read its journal.

    Args:
        end: Ends the program.
    """

    def __init__(self, end: Callable[[], None] = kill_this_process) -> None:
        self._end = end
        self._stored: dict[str, int] = {}
        self._stirred = asyncio.Event()

    def journal(self, journal: Journal) -> Journal:
        """Return a journal in which the pool's acknowledgements are noticed."""
        return _Witnessed(journal, self._note)

    def _note(self, stream: str, event: Mapping[str, Any]) -> None:
        told = REPLICATE_CODEC.decode(dict(event))
        if isinstance(told, Acknowledged):
            self._stored[stream] = told.count
            self._stirred.set()

    async def compute(
        self, onlooker: Onlooker, honest: StageRunner, replicate: Replicate
    ) -> Finished:
        """Vanish, unless this replicate has been through that before."""
        del onlooker
        if not replicate.count(Status.RECOVERING):
            await self._known(replicate.offer.task_id, len(replicate.history))
            self._end()
        return await honest.perform(replicate, Action.COMPUTE)

    async def _known(self, task_id: TaskId, count: int) -> None:
        """Wait until the pool has stored so many entries of a replicate's history."""
        while self._stored.get(str(task_id), 0) < count:
            self._stirred.clear()
            await self._stirred.wait()


class _Witnessed:
    """A journal whose appends are shown to somebody. Implements ``ports.journal.Journal``."""

    def __init__(self, journal: Journal, note: Callable[[str, Mapping[str, Any]], None]) -> None:
        self._journal, self._note = journal, note

    def append(self, stream: str, event: Mapping[str, Any]) -> None:
        """Record one event."""
        self._journal.append(stream, event)
        self._note(stream, event)

    def read(self, prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield every event."""
        return self._journal.read(prefix)

    def forget(self, stream: str) -> None:
        """Drop a stream."""
        self._journal.forget(stream)

    def close(self) -> None:
        """Release the file."""
        self._journal.close()
