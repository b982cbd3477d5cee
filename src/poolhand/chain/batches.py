"""How many requests an endpoint takes at once: learnt from what it refuses, and remembered."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

import structlog

from poolhand.chain.lanes import Lanes
from poolhand.chain.link import REQUESTS_PER_BATCH, Query
from poolhand.chain.pace import LoopPace, Pace
from poolhand.chain.refusal import EndpointDown, NodeRefusal
from poolhand.observe.groups import all_of

BATCHES_OF_ONE_READER: Final = 8
"""Batches under way at a time, of one reader's: all readers together see ``lanes``."""
FULL_BATCHES_TO_GROW: Final = 16
"""Full batches answered before a larger one is tried again."""
PAUSES_OF_BATCHES: Final = (0.3, 0.6, 1.2)
"""Seconds between tries of one batch of several, when the endpoint is merely busy."""
LONGEST_BATCH_WAIT: Final = 5.0
"""Seconds; who asks for more is left to whoever chooses among endpoints."""

Answers: TypeAlias = list[dict[str, Any]]
Post: TypeAlias = Callable[[Sequence[Query[Any]]], Awaitable[Answers]]
"""Sends one batch and returns the answers in order; raises EndpointDown or BatchRefused."""
log = structlog.get_logger()


class BatchRefused(Exception):
    """A batch was answered as a whole, by one error; ``fault`` is what that error means."""

    def __init__(self, fault: EndpointDown) -> None:
        super().__init__(str(fault))
        self.fault = fault


class Batches:
    """Sends requests in batches that the endpoint takes.

    A batch that is refused as such is sent in halves, at last one by one, and no larger one is
    tried again; after one that was cut off, ran out of time or was one request too many, the next
    are smaller for a while.

    Args:
        name: Of the endpoint.
        pace: Time; the event loop's, if None.

    Attributes:
        size: Most requests of a batch at present.
    """

    def __init__(self, name: str, pace: Pace | None = None) -> None:
        self._name, self._pace = name, pace or LoopPace()
        self.size = self._most = REQUESTS_PER_BATCH
        self._at_once, self._full = BATCHES_OF_ONE_READER, 0
        self._lanes = Lanes()

    async def send(self, queries: Sequence[Query[Any]], post: Post) -> Answers:
        """Return the answers, in order.

        Raises:
            EndpointDown: The endpoint does not answer, not even single requests.
        """
        parts = [queries[at : at + self.size] for at in range(0, len(queries), self.size)]
        if len(parts) == 1:
            return await self._lanes.run(queries, lambda: self._whole(queries, post))
        gate = asyncio.Semaphore(self._at_once)

        async def one(part: Sequence[Query[Any]]) -> Answers:
            async with gate:
                return await self._lanes.run(part, lambda: self._patiently(part, post))

        return [answer for answers in await all_of(map(one, parts)) for answer in answers]

    async def _patiently(self, queries: Sequence[Query[Any]], post: Post) -> Answers:
        """Send one batch of several, again when there were too many at a time."""
        for pause in PAUSES_OF_BATCHES:
            try:
                return await self._whole(queries, post)
            except EndpointDown as fault:
                wait = max(pause, fault.retry_after)
                if not fault.busy or wait > LONGEST_BATCH_WAIT:
                    raise
                self._at_once = max(1, self._at_once // 2)
            await self._pace.sleep(wait)
        return await self._whole(queries, post)

    async def _whole(self, queries: Sequence[Query[Any]], post: Post) -> Answers:
        """Send requests as one batch, or as smaller ones where it must be."""
        if len(queries) > self.size:
            return await self._halves(queries, post)
        try:
            answers = await post(queries)
        except BatchRefused as refused:
            if len(queries) == 1:
                raise refused.fault from None
            return await self._smaller(queries, post, refused)
        except EndpointDown as fault:
            if len(queries) > 1 and fault.reached:
                self._less(len(queries), 8 if fault.slow else 2)
            raise
        if len(queries) == self.size:
            self._bore()
        return answers

    async def _halves(self, queries: Sequence[Query[Any]], post: Post) -> Answers:
        half = len(queries) // 2
        first = await self._whole(queries[:half], post)
        return [*first, *await self._whole(queries[half:], post)]

    async def _smaller(
        self, queries: Sequence[Query[Any]], post: Post, refused: BatchRefused
    ) -> Answers:
        """Send what was refused in halves; remember it, unless one request was to blame."""
        answers = await self._halves(queries, post)
        half = (len(queries) + 1) // 2
        if half < self._most and not _has_wide(queries, answers):
            self._most, self._full = half, 0
            self.size = min(self.size, half)
            log.info("batches_limited", endpoint=self._name, most=half, cause=refused.fault.why)
        return answers

    def _less(self, asked: int, times: int) -> None:
        self.size, self._full = max(1, min(self.size, asked) // times), 0

    def _bore(self) -> None:
        """After enough full batches, try larger ones again, and more at a time."""
        self._full += 1
        if self._full >= FULL_BATCHES_TO_GROW:
            self._full, self._at_once = 0, BATCHES_OF_ONE_READER
            self.size = min(self.size * 2, self._most)


def _has_wide(queries: Sequence[Query[Any]], answers: Answers) -> bool:
    """Whether a range of logs is what the endpoint did not bear."""
    return any(
        answer.get("error") is not None and NodeRefusal.read(query.method, answer["error"]).too_wide
        for query, answer in zip(queries, answers, strict=True)
    )
