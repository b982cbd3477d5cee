"""Whose score and stake are read again with a block: so many, whatever the number of workers."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from itertools import islice
from typing import Final

from poolhand.domain.ids import Address, TaskId
from poolhand.ports.chain import Watcher
from poolhand.scheduler.engine import Engine
from poolhand.scheduler.worker_directory import WorkerDirectory

WORKERS_READ_SOON: Final = 200
"""Workers read with a block because their account may have changed."""
WORKERS_READ_IN_TURN: Final = 50
"""Workers read with a block because it is their turn: a deposit makes no noise."""
NEWCOMERS_AT_ONCE: Final = 250
"""Workers that have come and are read by one call."""


class Appraisal:
    """Chooses them: first who may have moved, then who was not read for longest.

    A pool of up to ``WORKERS_READ_IN_TURN`` workers reads all with every block while there is work.

    Who has come is read at once, not where it logs in: ten thousand may come in a minute, and the
    chain may be slow.

    Args:
        engine: Has the tasks: while there are none, nobody's account matters.
        read: Reads score and stake of workers in one batch.
        wake: Called when newcomers were read.
    """

    def __init__(
        self,
        directory: WorkerDirectory,
        engine: Engine,
        read: Callable[[list[Address]], Awaitable[None]],
        wake: Callable[[], None],
    ) -> None:
        self._directory, self._engine, self._read, self._wake = directory, engine, read, wake
        self._newcomers: OrderedDict[Address, None] = OrderedDict()  # ordered: as in ``looks``
        self._arrived = asyncio.Event()
        self._soon: OrderedDict[Address, None] = OrderedDict()
        self._turns: OrderedDict[Address, None] = OrderedDict()
        engine.changed.connect(self._task_changed)
        directory.changed.connect(self.worker_changed)

    def arrived(self, worker: Address) -> None:
        """Have the account of a worker that has come read as soon as may be."""
        self._newcomers[worker] = None
        self._arrived.set()

    def worker_changed(self, worker: Address) -> None:
        """Take note of who comes and goes."""
        if self._directory.get(worker) is None:
            self._turns.pop(worker, None)
            self._soon.pop(worker, None)
        else:
            self._turns.setdefault(worker, None)

    def read_soon(self, worker: Address) -> None:
        """Read a worker's account with the next block, if it is there."""
        if worker in self._turns:
            self._soon.setdefault(worker, None)

    async def keep_watch(self, watcher: Watcher) -> None:
        """Read some with every block while there is work, for ever."""
        async with aclosing(watcher.heads()) as heads:  # type: ignore[type-var]
            async for _ in heads:
                if self._engine.index.open and (chosen := self._choose()):
                    await self._read(chosen)

    async def keep_reading_newcomers(self) -> None:
        """Read whoever has come, many at once, for ever."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._newcomers:
                batch = list(islice(self._newcomers, NEWCOMERS_AT_ONCE))
                for worker in batch:
                    del self._newcomers[worker]
                await self._read(batch)
                self._wake()

    def _task_changed(self, task_id: TaskId) -> None:
        for attempt in self._engine.tasks[task_id].attempts:
            self.read_soon(attempt.worker)

    def _choose(self) -> list[Address]:
        """Take the next ones; each of them has its next turn after all others."""
        chosen = dict.fromkeys(
            (*islice(self._soon, WORKERS_READ_SOON), *islice(self._turns, WORKERS_READ_IN_TURN))
        )
        for worker in chosen:
            self._soon.pop(worker, None)
            self._turns.move_to_end(worker)
        return list(chosen)
