"""One function over many items: cut into chunks by the time that its calls take."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from poolhand.client.functions.chunks import CallFuture, Chunk, chunk_of
from poolhand.client.functions.payload import RemoteCall, modules_of, pickled
from poolhand.client.functions.terms import FunctionTerms

if TYPE_CHECKING:
    from poolhand.client.functions.calls import FunctionCalls

FEW_ITEMS: Final = 8
"""Items that are a task each: there is nothing to gain by measuring."""
ITEMS_MEASURED: Final = 4
"""Items that are computed first, to see how long one takes."""
CHUNK_SECONDS: Final = 10.0
"""Of computing that a chunk should take: a task costs seconds and money whatever it computes."""
CHUNKS_WANTED: Final = 16
"""Chunks at least, where all calls together take longer than one chunk should."""


def chunk_size(items: int, seconds: float) -> int:
    """Return how many calls make a chunk.

    Args:
        items: That there are.
        seconds: That one takes.
    """
    if items * seconds <= CHUNK_SECONDS:
        return max(1, items)
    by_time = CHUNK_SECONDS / max(seconds, 1e-6)
    return max(1, min(math.floor(by_time), math.ceil(items / CHUNKS_WANTED)))


class MapRun:
    """A map that was asked for.

    Args:
        calls: Buys.
        function: Called with each item.
        arguments: By place, of each call.
        terms: On which it is bought.
        chunk: Items of a task; None: by measured time.
        keeps: What lasts as long as anybody has a future.

    Attributes:
        futures: One for each item, in order; none once all are on their way, or left.

    Raises:
        Unpicklable, NoCloudpickle: Nothing was paid.
    """

    def __init__(
        self,
        calls: FunctionCalls,
        function: Callable[..., Any],
        arguments: Iterable[tuple[Any, ...]],
        terms: FunctionTerms,
        chunk: int | None,
        keeps: object = None,
    ) -> None:
        self._calls, self._terms, self._chunk = calls, terms, chunk
        self._items: Sequence[RemoteCall] = [(None, tuple(each), {}) for each in arguments]
        shared = pickled(function, f"the function {_name(function)}")
        every = modules_of(self._items, "an item")
        self._shared = replace(shared, modules=shared.modules | every)
        self.futures: tuple[CallFuture, ...] = tuple(CallFuture(keeps) for _ in self._items)
        self._chunks: list[Chunk] = []
        self._feeding: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to buy; in the loop of the client."""
        self._feeding = asyncio.create_task(self._feed())

    def leave(self) -> None:
        """Say that nobody waits any more; in the loop of the client."""
        if self._feeding is not None:
            self._feeding.cancel()
        self._calls.leave(self._chunks)

    async def _feed(self) -> None:
        try:
            size, done = self._chunk or self._known(len(self._items)), 0
            if size is None:
                done = ITEMS_MEASURED
                await self._send(range(ITEMS_MEASURED), 1)
                probes = [asyncio.wrap_future(each) for each in self.futures[:ITEMS_MEASURED]]
                await asyncio.gather(*probes, return_exceptions=True)
                size = self._known(len(self._items) - done) or 1
            await self._send(range(done, len(self._items)), size)
        except Exception as fault:  # noqa: BLE001 - the futures tell it
            for each in self.futures:
                if not each.done():
                    each.set_exception(fault)
        finally:
            self.futures = ()  # whoever waits has them

    def _known(self, items: int) -> int | None:
        """Return the calls of a chunk, where something is known of their time."""
        seconds = self._calls.seconds.get(self._shared.name)
        if seconds is None:
            return 1 if items <= FEW_ITEMS else None
        return chunk_size(items, seconds)

    async def _send(self, places: range, size: int) -> None:
        parts = [places[start : start + size] for start in range(0, len(places), size)]
        chunks = await asyncio.to_thread(lambda: [self._chunk_of(part) for part in parts])
        self._chunks += chunks
        self._calls.add(chunks)

    def _chunk_of(self, part: range) -> Chunk:
        items = [self._items[each] for each in part]
        futures = [self.futures[each] for each in part]
        return chunk_of(self._terms, self._shared, items, futures, f"item {part.start}")

    def values(self, leave: Callable[[], object], timeout: float | None = None) -> Iterator[Any]:
        """Yield what each item came to, in order; for a program without a loop.

        Args:
            leave: Called where whoever iterates goes before the end.
            timeout: Seconds for each; None: as long as it takes.
        """
        return _values(list(reversed(self.futures)), leave, timeout)

    def values_here(self) -> AsyncGenerator[Any]:
        """Yield what each item came to, in order."""
        return _values_here(list(reversed(self.futures)), self.leave)


def _values(
    futures: list[CallFuture], leave: Callable[[], object], timeout: float | None
) -> Iterator[Any]:
    """Yield what futures come to, the last first; nothing is kept of what was yielded."""
    is_over = False
    try:
        while futures:
            yield futures.pop().result(timeout)
        is_over = True
    finally:
        if not is_over:
            leave()


async def _values_here(
    futures: list[CallFuture], leave: Callable[[], object]
) -> AsyncGenerator[Any]:
    is_over = False
    try:
        while futures:
            yield await asyncio.wrap_future(futures.pop())
        is_over = True
    finally:
        if not is_over:
            leave()


def _name(function: object) -> str:
    return str(getattr(function, "__qualname__", type(function).__name__))
