"""How many requests are under way at one endpoint at a time, whoever asks for them.

What a wallet's transactions need has lanes of its own: however much others read, and however long
the endpoint takes for it, a reveal is not held up.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from poolhand.chain.link import Query
from poolhand.chain.refusal import EndpointDown

T = TypeVar("T")
READING_LANES: Final = 16
"""Batches under way at one endpoint that only read: twice what one reader has."""
SENDING_LANES: Final = 32
"""The same of those that transactions need, and of questions for the newest block."""
_OF_TRANSACTIONS: Final = frozenset(
    {
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_sendRawTransaction",
        "eth_subscribe",
    }
)


class Lane:
    """Lets so many of those who come be under way at a time, the others wait in a line.

    Where one finds that the endpoint does not answer at all, those in the line are told the same:
    each would find it out after as long a time, one after the other.

    Args:
        most: Under way at a time.
    """

    def __init__(self, most: int) -> None:
        self._most, self._busy = most, 0
        self._line: deque[asyncio.Future[None]] = deque()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something once it may be done.

        Raises:
            EndpointDown: As the work does, or as what was under way before it did.
        """
        await self._enter()
        try:
            return await work()
        except EndpointDown as fault:
            if fault.slow or not fault.reached:
                self._turn_away(fault)
            raise
        finally:
            self._busy -= 1
            self._let_in()

    async def _enter(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        self._let_in()
        try:
            await place
        except asyncio.CancelledError:
            if not place.cancelled() and place.exception() is None:  # let in, and cancelled then
                self._busy -= 1
                self._let_in()
            raise

    def _let_in(self) -> None:
        while self._line and self._busy < self._most:
            place = self._line.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)

    def _turn_away(self, fault: EndpointDown) -> None:
        line, self._line = self._line, deque()
        for place in line:
            if not place.done():
                place.set_exception(
                    EndpointDown(fault.endpoint, fault.why, reached=False, slow=fault.slow)
                )


class Lanes:
    """The lanes to one endpoint."""

    def __init__(self) -> None:
        self._reading, self._sending = Lane(READING_LANES), Lane(SENDING_LANES)

    async def run(self, queries: Sequence[Query[Any]], work: Callable[[], Awaitable[T]]) -> T:
        """Ask some queries, in the lane where they belong; raises EndpointDown."""
        is_sending = any(map(_is_of_transactions, queries))
        return await (self._sending if is_sending else self._reading).run(work)


def _is_of_transactions(query: Query[Any]) -> bool:
    if query.method == "eth_getBlockByNumber":
        return bool(query.params[0] == "latest")
    return query.method in _OF_TRANSACTIONS
