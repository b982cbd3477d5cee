"""The scheduler's own transactions: initialize in batches, finalize, reopen, claim.

What the contract refuses is told to the engine as ``CallRefused`` after a fresh look at the chain;
what was sent before a crash is found again by its purpose.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import structlog

from poolhand.domain.errors import ChainUnreachable, Raced, Refused
from poolhand.domain.ids import DealId, TaskId
from poolhand.domain.onchain import Call, Claim, Finalize, Initialize, Receipt, Reopen
from poolhand.domain.task.machine import (
    CallRefused,
    SendClaim,
    SendFinalize,
    SendInitialize,
    SendReopen,
)
from poolhand.domain.task.model import Task
from poolhand.ports.chain import TransactionSender
from poolhand.ports.clock import Clock
from poolhand.scheduler.engine import Engine

BATCH: Final = 24
"""Tasks per ``initializeArray``: about 4.4 M gas, within the smallest block (6.7 M)."""
PAUSE: Final = 2.0
"""Seconds between two tries to reach a chain that does not answer."""

log = structlog.get_logger()
Transaction = SendInitialize | SendFinalize | SendReopen | SendClaim


class Treasury:
    """Sends what the engine's tasks want sent.

    Args:
        engine: Told of refusals.
        sender: The pool owner's wallet.
        clock: For pauses while the chain is out of reach.
        tasks: Owns the transactions under way.
        look: Asks for a fresh view of tasks, and returns when the engine has it.
    """

    def __init__(
        self,
        engine: Engine,
        sender: TransactionSender,
        clock: Clock,
        tasks: asyncio.TaskGroup,
        look: Callable[[Iterable[TaskId]], asyncio.Future[None]],
    ) -> None:
        self._engine, self._sender, self._clock = engine, sender, clock
        self._tasks, self._look = tasks, look
        self._queue: list[tuple[Task, int]] = []
        self.receipts: dict[TaskId, list[tuple[str, Receipt]]] = defaultdict(list)

    def act(self, task: Task, effect: Transaction) -> None:
        """Take up a transaction; returns at once."""
        match effect:
            case SendInitialize(tried):
                if not self._queue:
                    self._tasks.create_task(self._flush())
                self._queue.append((task, tried))
            case SendFinalize(stored, tried):
                call = Finalize(task.facts.task_id, stored.link.encode(), stored.callback_data)
                self._spawn("finalize", [task], tried, call)
            case SendReopen(tried):
                self._spawn("reopen", [task], tried, Reopen(task.facts.task_id))
            case SendClaim(tried):
                self._spawn("claim", [task], tried, Claim((task.facts.task_id,)))

    async def _flush(self) -> None:
        """Send all initializations asked for in this turn of the loop, a batch per transaction."""
        queued, self._queue = self._queue, []
        groups: dict[tuple[DealId, int], list[Task]] = defaultdict(list)
        for task, tried in queued:
            groups[task.facts.deal_id, tried].append(task)
        for (_, tried), tasks in groups.items():
            tasks.sort(key=lambda task: task.facts.index)
            for first in range(0, len(tasks), BATCH):
                batch = tasks[first : first + BATCH]
                call = Initialize(tuple((t.facts.deal_id, t.facts.index) for t in batch))
                self._spawn("initialize", batch, tried, call)

    def _spawn(self, kind: str, tasks: list[Task], tried: int, call: Call) -> None:
        last = f"-{tasks[-1].facts.index}" if len(tasks) > 1 else ""
        purpose = f"{kind}:{tasks[0].facts.task_id}{last}:{tried}"
        self._tasks.create_task(self._send(kind, purpose, tasks, call))

    async def _send(self, kind: str, purpose: str, tasks: list[Task], call: Call) -> None:
        ids = [task.facts.task_id for task in tasks]
        while True:
            try:
                receipt = await self._sender.send(purpose, call)
            except ChainUnreachable as fault:
                log.warning("chain_unreachable", purpose=purpose, cause=str(fault))
                await self._clock.sleep(PAUSE)
            except (Refused, Raced) as fault:
                await self._refused(kind, ids, fault)
                return
            else:
                for task_id in ids:
                    self.receipts[task_id].append((kind, receipt))
                log.info("transaction_mined", kind=kind, tasks=len(ids), gas=receipt.gas_used)
                self._look(ids)
                return

    async def _refused(self, kind: str, ids: list[TaskId], fault: Refused | Raced) -> None:
        """Look again first: most refusals mean that the wanted thing has happened already."""
        log.warning("transaction_refused", kind=kind, tasks=len(ids), cause=str(fault))
        await self._look(ids)
        for task_id in ids:
            task = self._engine.tasks[task_id]
            self._engine.feed(task_id, CallRefused(task.now, kind, str(fault)))
