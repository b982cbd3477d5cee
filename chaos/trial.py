"""One trial: buy a task, let the worker stand still where told, strike, mend, wait, judge."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from dataclasses import dataclass, field
from typing import Any

from chaos import evidence
from chaos.arena import PROGRAM, Arena
from chaos.halting import Order
from chaos.judge import Outcome, Shown, laws, verdict
from chaos.matrix import Cell, Fault, Moment, Victim
from poolhand.domain.ids import TaskId
from poolhand.domain.replicate.events import Flow
from poolhand.domain.replicate.status import Status
from poolhand.domain.trust import Trust
from poolhand.requester.wish import Wish

TIME_LIMIT = 75.0
"""Seconds for one trial; more means that it hangs."""
DOWN_BLOCKS = 3
"""How long a victim stays away."""
LONGEST_DELAY = 0.6
"""Seconds into a stage at which it may be struck: a computation takes 0.8, a block 0.3."""


@dataclass
class Found:
    """What a trial came to: ``wrong`` is empty when it is good."""

    cell: Cell
    seconds: float = 0.0
    wrong: tuple[str, ...] = ()
    skipped: str = ""
    story: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        return "skipped" if self.skipped else "wrong" if self.wrong else "good"

    def dump(self) -> dict[str, Any]:
        return {
            "cell": self.cell.name, "mark": self.mark, "seconds": round(self.seconds, 2),
            "wrong": list(self.wrong), "skipped": self.skipped, **self.notes,
        }  # fmt: skip


class Undisturbed(Exception):
    """The run without a fault goes wrong: there is nothing to compare with."""


class Trials:
    """Plays cells one after the other in one arena.

    Args:
        seed: Of every choice that a cell leaves open.
    """

    def __init__(self, arena: Arena, seed: int) -> None:
        self._arena, self._seed = arena, seed
        self._references: dict[Flow, Outcome] = {}
        self._bought = 0
        self._task_id: TaskId | None = None

    async def reference(self, flow: Flow) -> Outcome:
        """Return what a flow comes to when nothing happens; played once.

        Raises:
            Undisturbed: Even that breaks a law.
        """
        await self._arena.play(flow)
        if flow not in self._references:
            try:
                async with asyncio.timeout(TIME_LIMIT):
                    before = await evidence.read_books(self._arena)
                    task_id = await self._buy()
                    news = await self._settled(task_id)
                    found = await evidence.outcome(self._arena, before, task_id, news)
            except TimeoutError:
                told = await evidence.story(self._arena, self._task_id)
                raise Undisturbed(f"it did not end within {TIME_LIMIT:.0f} s\n{told}") from None
            if wrong := tuple(laws(found)):
                raise Undisturbed("; ".join(wrong))
            self._references[flow] = found
        return self._references[flow]

    async def play(self, cell: Cell) -> Found:
        """Play a cell; whatever goes wrong is told in what it returns."""
        found = Found(cell)
        if cell.victim is Victim.DOCKER and self._arena.engine is None:
            found.skipped = self._arena.no_engine
            return found
        reference = await self.reference(cell.flow)
        began = time.monotonic()
        try:
            async with asyncio.timeout(TIME_LIMIT):
                found.wrong = await self._play(cell, reference, found.notes)
        except TimeoutError:
            found.wrong = (f"it did not end within {TIME_LIMIT:.0f} s",)
        except Exception:  # noqa: BLE001 - the trial failed, the run goes on
            found.wrong = (traceback.format_exc(limit=4),)
        found.seconds = time.monotonic() - began
        if found.wrong:
            found.story = await evidence.story(self._arena, self._task_id)
        return found

    async def _play(self, cell: Cell, reference: Outcome, notes: dict[str, Any]) -> tuple[str, ...]:
        arena, chance = self._arena, random.Random(f"{self._seed} {cell.name}")
        arena.silent = chance.random() < 0.5
        delay = chance.uniform(0.0, LONGEST_DELAY)
        notes |= {"delay": round(delay, 3)} if cell.moment is Moment.AMID else {}
        notes |= {"silent": arena.silent} if cell.fault is Fault.PARTITION else {}
        if cell.status in (Status.APP_DOWNLOADING, Status.APP_DOWNLOADED):
            await evidence.forget_image(arena)
        before = await evidence.read_books(arena)
        order = Order(cell.status, cell.moment, delay)
        prelude = Status.COMPUTED if cell.status is Status.RECOVERING else None
        (Order(prelude, Moment.AFTER) if prelude else order).write(arena.order)
        task_id = await self._buy()
        due = False
        if prelude:
            due = await self._prelude(order, task_id)
        await arena.worker.frozen()
        due = await self._strike(cell, task_id) or due
        news = await self._settled(task_id)
        found = await evidence.outcome(arena, before, task_id, news)
        worker = next(str(owner) for owner, name in arena.names.items() if name == "worker-1")
        history = news.history(worker)
        notes["history"] = " ".join(history)
        recovered = evidence.has_lived(arena, task_id, Status.RECOVERING)
        return verdict(reference, found, Shown(due, recovered, history))

    async def _prelude(self, order: Order, task_id: TaskId) -> bool:
        """Kill the worker once, so that it recovers and stands still there."""
        worker = self._arena.worker
        await worker.frozen()
        order.write(self._arena.order)
        await self._arena.strike(Victim.WORKER, Fault.KILL)
        due = self._is_due(task_id)
        await worker.start()
        return due

    def _is_due(self, task_id: TaskId) -> bool:
        replicate = evidence.journaled(self._arena, task_id)
        return replicate is not None and not replicate.is_over

    async def _strike(self, cell: Cell, task_id: TaskId) -> bool:
        """Strike and mend; returns whether the worker has to show RECOVERING."""
        arena = self._arena
        await arena.strike(cell.victim, cell.fault)
        restarted = cell.victim is Victim.WORKER and cell.fault is not Fault.PARTITION
        due = restarted and self._is_due(task_id)
        if not restarted:
            arena.worker.thaw()
        await arena.blocks.pass_by(DOWN_BLOCKS)
        await arena.mend(cell.victim, cell.fault)
        if cell.fault is not Fault.PARTITION and cell.victim in PROGRAM:
            await arena.programs[PROGRAM[cell.victim]].ready()
        return due

    async def _buy(self) -> TaskId:
        """Buy a task, another one each time, of the same result."""
        self._bought += 1
        arena = self._arena
        url = f"{arena.running.info.files_url}/input.txt"
        wish = Wish(arena.app, args=f"{self._bought}", inputs=(url,), trust=Trust(1))
        deal = (await arena.requester.buy(wish)).deal
        ((_, self._task_id),) = deal.tasks()
        return self._task_id

    async def _settled(self, task_id: TaskId) -> evidence.News:
        """Wait until nobody has anything left to do about a task."""

        async def look() -> evidence.News | None:
            news = await evidence.ask(self._arena, task_id)
            return news if news.settled else None

        news: evidence.News = await evidence.until(look)
        return news
