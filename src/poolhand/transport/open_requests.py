"""Requests that are open in a market, and what they may be matched with: asked for in pages.

Whoever publishes is a stranger. Requests that pay best and pages of all others are looked at in
turn: dear ones that nothing fits keep it from nobody, and no look asks for the whole book.
"""

from __future__ import annotations

from typing import Final

from poolhand.domain.ids import OrderHash
from poolhand.domain.market.book import BookOrder
from poolhand.domain.market.filters import BookFilter
from poolhand.domain.market.requests import Backoff, candidate_of
from poolhand.domain.market.waits import FirstSeen
from poolhand.domain.orders.choosing import WITHOUT_DATASET, Candidate
from poolhand.domain.units import UnixSeconds
from poolhand.transport.market_client import MarketClient

MOST_PAGES: Final = 200
"""Pages of others, after which their turn begins anew, however many a market tells of."""
ORDERS_PER_REQUEST: Final = 10
"""Orders of each kind that are looked at for one request, cheapest first."""


class OpenRequests:
    """The open requests of one market, for somebody who would send them.

    Args:
        market: Is asked.
        at_once: Requests of one look: those that pay their pool most, or as many others.

    Attributes:
        backoff: When a request that came to nothing is looked at again.
        first_seen: When a request was seen first, where others may go first.
    """

    def __init__(self, market: MarketClient, at_once: int) -> None:
        self._market, self._at_once = market, at_once
        self.backoff, self.first_seen = Backoff(), FirstSeen()
        self._page, self._seen = 1, set[OrderHash]()
        self._is_others_turn = False

    async def due(self, wanted: BookFilter, now: UnixSeconds) -> list[BookOrder]:
        """Return the requests that pay best, or those of the others whose turn it is.

        Those that were put off are left out; raises MarketDown.

        Args:
            wanted: Which requests.
            now: The time by which they are put off.
        """
        found = await self._look(wanted)
        return [each for each in found if self.backoff.is_due(each.order_hash, now)]

    async def _look(self, wanted: BookFilter) -> tuple[BookOrder, ...]:
        index = self._page if self._is_others_turn else 0
        found = (await self._market.orders(wanted, index, self._at_once)).orders
        self._seen |= {entry.order_hash for entry in found}
        self._page += bool(index)
        is_whole = len(found) < self._at_once or self._page > MOST_PAGES
        if is_whole:
            self.backoff.keep_only(self._seen)
            self.first_seen.keep_only(self._seen)
            self._page, self._seen = 1, set()
        self._is_others_turn = not (self._is_others_turn or is_whole)
        return found


async def cheapest(market: MarketClient, wanted: BookFilter | None) -> tuple[Candidate, ...]:
    """Return the cheapest open orders of a kind; no filter stands for no dataset."""
    if wanted is None:
        return (WITHOUT_DATASET,)
    page = await market.orders(wanted, size=ORDERS_PER_REQUEST)
    return tuple(map(candidate_of, page.orders))
