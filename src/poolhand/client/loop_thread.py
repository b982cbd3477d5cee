"""An event loop in a thread of its own, so that a program without one calls what is asynchronous.

It works where a loop runs already, too, as in a notebook.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from concurrent.futures import TimeoutError as NotInTime
from contextlib import suppress
from typing import Any, Final, Generic, TypeVar

from poolhand.client.errors import ClientClosed

T = TypeVar("T")
LONGEST_END: Final = 10.0
"""Seconds that work gets to end after Ctrl-C, and connections to close."""


class LoopThread:
    """A loop that runs as long as anybody has this, until ``close``, or until the program ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        thread = threading.Thread(target=self._loop.run_forever, name="poolhand", daemon=True)
        thread.start()
        self._thread = thread
        self._end = weakref.finalize(self, _close, self._loop, thread)

    def run(
        self, work: Coroutine[Any, Any, T], undelivered: Callable[[T], None] | None = None
    ) -> T:
        """Do something there, and wait for it.

        Args:
            work: What is done.
            undelivered: Given what came of it, where Ctrl-C came after that.

        Raises:
            KeyboardInterrupt: Ctrl-C; the work was cancelled, and has let go of what it held.
            ClientClosed: The loop has ended.
        """
        if not self._end.alive:
            work.close()
            raise ClientClosed
        kept = _Kept(work)
        try:
            return asyncio.run_coroutine_threadsafe(kept.watched(), self._loop).result()
        except BaseException:
            if not kept.over.is_set():
                with suppress(RuntimeError):  # the loop has ended
                    self._loop.call_soon_threadsafe(kept.end)
                    kept.over.wait(LONGEST_END)
            if undelivered is not None:
                for found in kept.came_of_it:
                    undelivered(found)
            raise

    def soon(self, how: Callable[..., object], *args: Any) -> None:
        """Have something done there, and do not wait; raises ClientClosed."""
        if not self._end.alive:
            raise ClientClosed
        self._loop.call_soon_threadsafe(how, *args)

    def iterate(self, items: AsyncGenerator[T]) -> Iterator[T]:
        """Yield what is yielded there."""
        try:
            while (found := self.run(_next(items))) is not None:
                yield found
        finally:
            self._leave(items)

    def _leave(self, items: AsyncGenerator[Any]) -> None:
        """End what yields; where that is thrown away within the loop, nobody can wait for it."""
        if threading.current_thread() is self._thread:
            asyncio.run_coroutine_threadsafe(_end(items), self._loop)
        elif self._end.alive:
            self.run(_end(items))

    def close(self) -> None:
        """End the loop, and whatever runs in it lets go of what it holds; repeatable."""
        self._end()


def _close(loop: asyncio.AbstractEventLoop, thread: threading.Thread) -> None:
    ending = asyncio.run_coroutine_threadsafe(_end_all(), loop)
    if threading.current_thread() is thread:
        return  # the last who had it let go of it there
    with suppress(NotInTime):
        ending.result(LONGEST_END)
    thread.join(LONGEST_END)
    if not thread.is_alive():
        loop.close()


class _Kept(Generic[T]):
    """Work, and what came of it."""

    def __init__(self, work: Coroutine[Any, Any, T]) -> None:
        self._work = work
        self._task: asyncio.Task[Any] | None = None
        self.over = threading.Event()
        self.came_of_it: list[T] = []

    def end(self) -> None:
        """Cancel it; called where it is done, so after it has begun, if it ever does."""
        if self._task is not None:
            self._task.cancel()
        else:
            self._work.close()
            self.over.set()

    async def watched(self) -> T:
        self._task = asyncio.current_task()
        try:
            found = await self._work
            self.came_of_it.append(found)
            return found
        finally:
            self.over.set()


async def _next(items: AsyncGenerator[T]) -> T | None:
    return await anext(items, None)


async def _end(items: AsyncGenerator[Any]) -> None:
    await items.aclose()


async def _end_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    loop = asyncio.get_running_loop()
    await loop.shutdown_asyncgens()
    loop.call_soon(loop.stop)
