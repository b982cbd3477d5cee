"""Enclaves of confidential tasks, asked of the secret management service; see ``AskChallenge``.

Beside everything else: a service that does not answer holds up its own tasks and no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from poolhand.domain.errors import EndsProgram, Refused, Unavailable
from poolhand.domain.ids import Address, TaskId
from poolhand.domain.task.machine import Challenged
from poolhand.domain.task.model import Task
from poolhand.domain.task.rules import must_ask_challenge
from poolhand.domain.units import UnixSeconds
from poolhand.ports.clock import Clock
from poolhand.ports.tee import TeeChallenges
from poolhand.scheduler.engine import Engine

CHALLENGES_AT_ONCE: Final = 8
"""Questions to the service at a time."""
FIRST_PAUSE_BEFORE_CHALLENGE: Final = 1.0
"""Seconds before it is asked again; doubled each time."""
LONGEST_PAUSE_BEFORE_CHALLENGE: Final = 60.0
_NO_SERVICE: Final = (
    "this pool has no secret management service (any more): its owner names it with --sms-url"
)
log = structlog.get_logger()


class EnclaveChallenges:
    """Carries out ``AskChallenge``; one that is under way is not begun a second time.

    Args:
        engine: Has the tasks.
        service: Asked; None where the pool has none.
        now: The chain's time.
        clock: Paces the questions.

    Attributes:
        waiting: Why tasks wait for their enclave, by task, in words for people.
    """

    def __init__(
        self,
        engine: Engine,
        service: TeeChallenges | None,
        now: Callable[[], UnixSeconds],
        clock: Clock,
    ) -> None:
        self._engine, self._service, self._now, self._clock = engine, service, now, clock
        self._asked: asyncio.Queue[TaskId] = asyncio.Queue()
        self._under_way: set[TaskId] = set()
        self._turns = asyncio.Semaphore(CHALLENGES_AT_ONCE)
        self.waiting: dict[TaskId, str] = {}

    def begin(self, task: Task) -> None:
        """Ask beside everything else, until there is an answer or nobody wants it any more."""
        task_id = task.facts.task_id
        if task_id not in self._under_way:
            self._under_way.add(task_id)
            self._asked.put_nowait(task_id)

    async def keep_asking(self) -> None:
        """Ask for whatever was begun, for ever."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._ask(await self._asked.get()))

    async def _ask(self, task_id: TaskId) -> None:
        pause = FIRST_PAUSE_BEFORE_CHALLENGE
        try:
            while self._is_wanted(task_id):
                enclave = await self._answer(task_id)
                if enclave is not None:
                    self._engine.feed(task_id, Challenged(self._now(), enclave))
                    break
                await self._clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_BEFORE_CHALLENGE)
        finally:
            self._under_way.discard(task_id)
            self.waiting.pop(task_id, None)

    def _is_wanted(self, task_id: TaskId) -> bool:
        task = self._engine.tasks.get(task_id)
        return task is not None and must_ask_challenge(task)

    async def _answer(self, task_id: TaskId) -> Address | None:
        """Return the enclave; None where it is to be asked for again, and it is told why."""
        try:
            if self._service is not None:
                async with self._turns:
                    return await self._service.challenge(task_id)
            why = _NO_SERVICE
        except EndsProgram:
            raise
        except (Unavailable, Refused) as fault:
            why = str(fault)
        except Exception as fault:  # noqa: BLE001 - the boundary lets through what is not a task's
            why = self._engine.boundary.take(fault, "challenge", task_id=str(task_id))
        if self.waiting.get(task_id) != why:
            log.warning("enclave_awaited", task_id=str(task_id), cause=why)
        self.waiting[task_id] = why
        return None
