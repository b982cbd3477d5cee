"""What pools say of tasks that are not done: asked because somebody looks, told at the next look.

Strangers name the addresses and write the answers. So nobody who looks waits for a pool: each is
told what the pool said last, and however many look, it is asked once in a while, for little time
and little text, and never while others' questions wait behind many of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias

import httpx

from poolhand.domain.errors import EndsProgram, PoolhandError
from poolhand.domain.ids import TaskId
from poolhand.domain.text import shown
from poolhand.observe.fault_boundary import FaultBoundary
from poolhand.transport.pool_client import PoolClient
from poolhand.web.client import Caps
from poolhand.wire.market_pools import PoolSays, pool_says

ANSWER_FRESH_FOR: Final = 5_000
"""Milliseconds for which what a pool said is told to everybody without asking again."""
POOL_ANSWER_CAPS: Final = Caps(256 * 1024, seconds=2.0)
"""What one answer may cost."""
QUESTIONS_AT_ONCE: Final = 8
"""Questions that are asked at the same time."""
MOST_DUE: Final = 64
"""Questions that wait; one more is not asked, and whoever looks again may bring it again."""
MOST_QUESTIONS_TO_POOL: Final = 8
"""Questions to one pool that wait: no pool that hangs takes the places of all others."""
MOST_ANSWERS_KEPT: Final = 500
"""Answers that are kept, those that came last."""

_Question: TypeAlias = tuple[str, TaskId]
"""A pool's URL, and the task of which it is asked."""


@dataclass(frozen=True, slots=True)
class PoolWord:
    """What came of asking a pool.

    Attributes:
        at: Milliseconds since 1970; None: it has never said anything.
        says: None: nothing.
        trouble: Why nothing; empty: something.
    """

    at: int | None
    says: PoolSays | None = None
    trouble: str = ""


class PoolWords:
    """Asks pools of their tasks.

    Args:
        http: Minds where it connects: strangers name the addresses.
        now: Milliseconds since 1970.
        boundary: Takes what nobody expected of one pool.
    """

    def __init__(
        self, http: httpx.AsyncClient, now: Callable[[], int], boundary: FaultBoundary
    ) -> None:
        self._http, self._now, self._boundary = http, now, boundary
        self._known: dict[_Question, PoolWord] = {}
        self._due: dict[_Question, None] = {}
        self._is_due = asyncio.Event()

    def of(self, task: TaskId, url: str) -> PoolWord | None:
        """Return what a pool said of a task last; None: nothing came yet, it is being asked.

        What is older than ``ANSWER_FRESH_FOR`` is told once more, and asked anew.
        """
        question = url, task
        known = self._known.get(question)
        if known is None or known.at is None or not 0 <= self._now() - known.at < ANSWER_FRESH_FOR:
            self._want(question)
        return known

    def _want(self, question: _Question) -> None:
        if question in self._due or len(self._due) >= MOST_DUE:
            return
        if sum(url == question[0] for url, _ in self._due) < MOST_QUESTIONS_TO_POOL:
            self._due[question] = None
            self._is_due.set()

    async def keep_asking(self) -> NoReturn:
        """Ask what is due, for ever."""
        while True:
            await self._is_due.wait()
            await self.ask_some()

    async def ask_some(self) -> None:
        """Ask what has been due for longest."""
        await asyncio.gather(*map(self._ask, list(self._due)[:QUESTIONS_AT_ONCE]))
        if not self._due:
            self._is_due.clear()

    async def _ask(self, question: _Question) -> None:
        url, task = question
        word = PoolWord(self._now(), trouble="nobody could make anything of its answer")
        with self._boundary.around("asking a pool of a task", task_id=str(task)):
            word = await self._answer(url, task)
        self._keep(question, word)
        del self._due[question]

    async def _answer(self, url: str, task: TaskId) -> PoolWord:
        try:
            news = await PoolClient(self._http, url, POOL_ANSWER_CAPS).task(task)
        except EndsProgram:
            raise
        except PoolhandError as fault:
            return PoolWord(self._now(), trouble=shown(str(fault), 500))
        if news is None or news.task_id != task:
            return PoolWord(self._now(), trouble="the pool does not know the task")
        return PoolWord(self._now(), pool_says(news))

    def _keep(self, question: _Question, word: PoolWord) -> None:
        self._known.pop(question, None)
        self._known[question] = word
        if len(self._known) > MOST_ANSWERS_KEPT:
            del self._known[next(iter(self._known))]
