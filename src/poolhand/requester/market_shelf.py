"""What a market has for a wish: the few cheapest orders of each kind that may fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from poolhand.domain.ids import Address
from poolhand.domain.market.filters import Allowed, BookFilter, usable_by
from poolhand.domain.market.needs import app_tag
from poolhand.domain.market.requests import candidate_of
from poolhand.domain.market_events import OrderSort
from poolhand.domain.orders.choosing import Candidate
from poolhand.domain.tag import NO_TAG, Tag
from poolhand.requester.wish import Wish
from poolhand.transport.market_client import MarketClient

ORDERS_ON_SHELF: Final = 10
"""Orders of a kind that are looked at: cheapest first, and the market has filtered them."""
ORDERS_ON_WIDE_SHELF: Final = 20
"""Orders of a kind that are looked at, and told of, where none of the few makes a deal."""


class MarketShelf:
    """Asks a market for orders that one buyer may use.

    Args:
        market: Asked.
        buyer: Who buys.
    """

    def __init__(self, market: MarketClient, buyer: Address) -> None:
        self._market, self._buyer = market, buyer

    async def apps(self, wish: Wish, tag: Tag, *, wide: bool) -> tuple[Candidate, ...]:
        """Return orders for the app.

        Args:
            wish: What is bought.
            tag: What is in the deal's tag whatever the app asks for.
            wide: Also those that a filter would leave out.
        """
        parties: dict[str, Allowed] = {"app": (wish.app,)}
        if not wide:
            parties |= {"dataset": usable_by(wish.dataset), "requester": usable_by(self._buyer)}
        wanted = _sold(OrderSort.APP, parties, wish, wide=wide)
        if not wide:
            wanted = replace(wanted, min_tag=app_tag(tag))
        return await self._some(wanted, wide=wide)

    async def datasets(self, wish: Wish, *, wide: bool) -> tuple[Candidate, ...]:
        """Return orders for the dataset; ``wide``: also those that a filter would leave out."""
        parties: dict[str, Allowed] = {"dataset": (wish.dataset,)}
        if not wide:
            parties |= {"app": usable_by(wish.app), "requester": usable_by(self._buyer)}
        return await self._some(_sold(OrderSort.DATASET, parties, wish, wide=wide), wide=wide)

    async def pools(self, wish: Wish, tag: Tag, *, wide: bool) -> tuple[Candidate, ...]:
        """Return orders of workerpools, of the one that is wished if one is.

        Args:
            wish: What is bought.
            tag: That they must serve: the tag of the deal, as far as it is known.
            wide: Also those that a filter would leave out.
        """
        parties: dict[str, Allowed] = {}
        if not wish.workerpool.is_zero:
            parties["workerpool"] = (wish.workerpool,)
        if wide:
            return await self._some(BookFilter(OrderSort.WORKERPOOL, parties), wide=True)
        parties |= {
            "app": usable_by(wish.app),
            "dataset": usable_by(wish.dataset),
            "requester": usable_by(self._buyer),
        }
        wanted = BookFilter(
            OrderSort.WORKERPOOL,
            parties,
            category=wish.category,
            min_trust=wish.trust if wish.trust > 1 else None,
            min_tag=None if tag == NO_TAG else tag,
            min_volume=wish.tasks,
        )
        return await self._some(wanted, wide=False)

    async def _some(self, wanted: BookFilter, *, wide: bool) -> tuple[Candidate, ...]:
        page = await self._market.orders(
            wanted, size=ORDERS_ON_WIDE_SHELF if wide else ORDERS_ON_SHELF
        )
        return tuple(map(candidate_of, page.orders))


def _sold(sort: OrderSort, parties: dict[str, Allowed], wish: Wish, *, wide: bool) -> BookFilter:
    return BookFilter(sort, parties, min_volume=None if wide else wish.tasks)
