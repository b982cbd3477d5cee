"""Whose score and stake are read again with a block: so many, whatever the number of workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import islice
from typing import Final

from poolhand.domain.ids import Address
from poolhand.ports.chain import Watcher
from poolhand.scheduler.task_index import TaskIndex
from poolhand.scheduler.worker_directory import WorkerDirectory

SOON: Final = 200
"""Workers read with a block because their account may have changed."""
IN_TURN: Final = 50
"""Workers read with a block because it is their turn: a deposit makes no noise."""


class Appraisal:
    """Chooses them: first who may have moved, then who was not read for longest.

    A pool of up to ``IN_TURN`` workers reads all of them with every block while there is work.

    Args:
        appraise: Reads score and stake of workers in one batch.
    """

    def __init__(
        self,
        directory: WorkerDirectory,
        index: TaskIndex,
        appraise: Callable[[list[Address]], Awaitable[None]],
    ) -> None:
        self._directory, self._index, self._appraise = directory, index, appraise
        self._soon: dict[Address, None] = {}
        self._turns: dict[Address, None] = {}

    def worker_changed(self, worker: Address) -> None:
        """Take note of who comes and goes."""
        if self._directory.get(worker) is None:
            self._turns.pop(worker, None)
            self._soon.pop(worker, None)
        else:
            self._turns.setdefault(worker)

    def read_soon(self, worker: Address) -> None:
        """Read a worker's account with the next block, if it is there."""
        if worker in self._turns:
            self._soon.setdefault(worker)

    async def keep_watch(self, watcher: Watcher) -> None:
        """Read some with every block while there is work, for ever."""
        async with aclosing(watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                if self._index.open and (chosen := self._choose()):
                    await self._appraise(chosen)

    def _choose(self) -> list[Address]:
        """Take the next ones; each of them has its next turn after all others."""
        chosen = dict.fromkeys((*islice(self._soon, SOON), *islice(self._turns, IN_TURN)))
        for worker in chosen:
            self._soon.pop(worker, None)
            del self._turns[worker]
            self._turns[worker] = None
        return list(chosen)
