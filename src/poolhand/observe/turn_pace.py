"""How much is done in one turn of the event loop, such that nobody waits long for their own turn.

A thousand small pieces of work that become due at once (a block's events, a bag's views, reports of
workers) are each quick and together half a second. Whoever can wait asks here before each piece.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeVar

Item = TypeVar("Item")

PIECES_PER_TURN: Final = 32
"""Pieces in one turn where nothing else is said: a few milliseconds of what a pool does."""


class TurnPace:
    """Lets so many pieces of work through in one turn of the loop; others in the next ones.

    Who asked first goes first.

    Args:
        most: Pieces in one turn; up to twice as many where those who had to wait are joined by
            others that come.
    """

    def __init__(self, most: int = PIECES_PER_TURN) -> None:
        self._most = self._left = most
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_renewing = False

    async def next(self) -> None:
        """Return once there is room for one more piece: at once, if there is."""
        if self._left and not self._waiting:
            self._take()
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        await place

    def _take(self) -> None:
        self._left -= 1
        if not self._is_renewing:
            self._is_renewing = True
            asyncio.get_running_loop().call_soon(self._renew)

    def _renew(self) -> None:
        """Begin another turn: who waits goes first, unless it has given up."""
        self._is_renewing, self._left = False, self._most
        while self._left and self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                self._take()


async def in_turns(each: Iterable[Item], most: int) -> AsyncIterator[Item]:
    """Yield what there is, with a turn of the loop for others after so many."""
    for count, item in enumerate(each, start=1):
        yield item
        if count % most == 0:
            await asyncio.sleep(0)
