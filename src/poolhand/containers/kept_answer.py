"""An answer about everything, shared: who asks at a time, or soon after, shares one question."""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Final, Generic, TypeVar

from poolhand.containers.sharing import Shared

T = TypeVar("T")
_NEVER: Final = float("-inf")


class KeptAnswer(Generic[T]):
    """What one question was answered.

    Args:
        ask: Asks it.
        kept: Seconds from the question on for which an answer is good.
        clock: Seconds since whenever, never turned back.
    """

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, T]],
        kept: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask, self._kept, self._clock = ask, kept, clock
        self._shared = Shared[tuple[T, int]]()
        self._changes = 0
        self._asked = _NEVER
        self._told: tuple[T, ...] = ()

    async def get(self) -> T:
        """Return the answer; raises what the question raises."""
        changes = self._changes
        while not (self._told and self._clock() - self._asked < self._kept):
            told, of = await self._shared.do("", self._ask_anew)
            if of >= changes:
                return told
        return self._told[0]

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Change within the context what is asked: no answer is kept over its begin or its end."""
        self._forget()
        try:
            yield
        finally:
            self._forget()

    def _forget(self) -> None:
        self._changes += 1
        self._told = ()

    async def _ask_anew(self) -> tuple[T, int]:
        changes, asked = self._changes, self._clock()
        told = await self._ask()
        if changes == self._changes:
            self._asked, self._told = asked, (told,)
        return told, changes
