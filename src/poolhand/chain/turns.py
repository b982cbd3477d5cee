"""How many of a wallet's transactions may be under way at once, and who is next."""

from __future__ import annotations

import asyncio
from heapq import heappop, heappush
from typing import Final

from poolhand.domain.onchain import (
    Call,
    Claim,
    Contribute,
    Finalize,
    Initialize,
    Reopen,
    Reveal,
)

_RANKS: Final[dict[type, int]] = {
    Finalize: 0,
    Reveal: 0,
    Reopen: 1,
    Contribute: 2,
    Claim: 3,
    Initialize: 4,
}
"""What ends work goes before what begins some; calls that are not named here go with a reopening,
for a person waits for them."""


class Turns:
    """Lets a bounded number of purposes be under way; others wait, those that end work first.

    Args:
        most: How many, at least 1. What is found signed after a restart comes on top.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._busy: set[str] = set()
        self._waiting: list[tuple[int, int, str, asyncio.Future[None]]] = []
        self._count = 0

    async def wait(self, purpose: str, call: Call) -> None:
        """Wait until a purpose may be under way; from then on it is, until it leaves."""
        self._count += 1
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heappush(self._waiting, (_RANKS.get(type(call), 1), self._count, purpose, turn))
        self._let_in()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.leave(purpose)
            raise

    def enter(self, purpose: str) -> None:
        """Count a purpose that is under way already; repeatable."""
        self._busy.add(purpose)

    def leave(self, purpose: str) -> None:
        """Let the next one in; repeatable."""
        self._busy.discard(purpose)
        self._let_in()

    def _let_in(self) -> None:
        while self._waiting and len(self._busy) < self._most:
            _, _, purpose, turn = heappop(self._waiting)
            if not turn.done():
                self._busy.add(purpose)
                turn.set_result(None)
