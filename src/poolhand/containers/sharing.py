"""One piece of work for everybody who asks for it at the same time."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Runs at most one coroutine per key; it is cancelled when its last waiter has left."""

    def __init__(self) -> None:
        self._tasks: dict[str, asyncio.Task[T]] = {}
        self._waiters: Counter[str] = Counter()

    async def do(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Start the work, or join the one under way, and return its result."""
        task = self._tasks.get(key)
        if task is None:
            task = self._tasks[key] = asyncio.create_task(work())
        self._waiters[key] += 1
        try:
            return await asyncio.shield(task)
        finally:
            self._waiters[key] -= 1
            if task.done() or not self._waiters[key]:
                await self._end(key, task)

    async def _end(self, key: str, task: asyncio.Task[T]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key], self._waiters[key]
        if not task.done():
            task.cancel()
            await asyncio.wait([task])
