"""Questions that wait together are asked together, in the order in which they came.

While one answer is under way the next questions gather, so that a busy market asks the chain few
times for many orders and an idle one at once for each.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

QuestionT = TypeVar("QuestionT")
AnswerT = TypeVar("AnswerT")
MOST_GATHERED: Final = 64
"""Questions that are asked together."""


class Gathering(Generic[QuestionT, AnswerT]):
    """Asks for what several want to know.

    Args:
        ask: Answers questions, one answer for each; what it raises, all of them get.
    """

    def __init__(self, ask: Callable[[Sequence[QuestionT]], Awaitable[Sequence[AnswerT]]]) -> None:
        self._ask = ask
        self._waiting: list[tuple[QuestionT, asyncio.Future[AnswerT]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, question: QuestionT) -> AnswerT:
        """Return the answer to a question that is asked after this call, not before."""
        done: asyncio.Future[AnswerT] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, done))
        if self._asking is None:
            self._asking = asyncio.create_task(self._ask_all())
        return await done

    async def _ask_all(self) -> None:
        try:
            while self._waiting:
                some, self._waiting = self._waiting[:MOST_GATHERED], self._waiting[MOST_GATHERED:]
                await self._ask_some(some)
        finally:
            self._asking = None

    async def _ask_some(self, some: list[tuple[QuestionT, asyncio.Future[AnswerT]]]) -> None:
        waiting = [done for _, done in some]
        try:
            answers = await self._ask([question for question, _ in some])
        except BaseException as fault:
            _fail(waiting, fault)
            if not isinstance(fault, Exception):
                raise
            return
        for done, answer in zip(waiting, answers, strict=True):
            if not done.done():
                done.set_result(answer)


def _fail(waiting: Sequence[asyncio.Future[AnswerT]], fault: BaseException) -> None:
    for done in waiting:
        if isinstance(fault, asyncio.CancelledError):
            done.cancel()
        elif not done.done():
            done.set_exception(fault)
