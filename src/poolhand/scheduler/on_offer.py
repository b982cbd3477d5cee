"""What the pool could sell in markets now, of what it knows anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from poolhand.domain.orders.for_sale import PoolSaleTerms, Ware, room_of
from poolhand.domain.tag import NO_TAG
from poolhand.domain.units import NanoRlc, UnixSeconds
from poolhand.scheduler.confidential_sale import ConfidentialSale
from poolhand.scheduler.preflight import Preflight


class PoolOffer:
    """Reads of the pool's own state; nobody goes through workers or tasks.

    Args:
        prices: Per task by category.
        preflight: Knows what the workers reach, and their slots.
        confidential: Knows which confidential tasks are taken.
        open_tasks: Counts the tasks that are open.
        ending: Says why what was signed must never be bought again, None where it may.
        obstacles: Each says why nothing may be sold now, None where it may.
    """

    def __init__(
        self,
        prices: Mapping[int, NanoRlc],
        preflight: Preflight,
        confidential: ConfidentialSale,
        open_tasks: Callable[[], int],
        ending: Callable[[], str | None],
        *obstacles: Callable[[], str | None],
    ) -> None:
        self._prices, self._preflight, self._confidential = prices, preflight, confidential
        self._open_tasks, self._ending, self._obstacles = open_tasks, ending, obstacles

    async def terms(self, stake: NanoRlc, now: UnixSeconds) -> PoolSaleTerms:
        """Return what could be sold now, with so much free stake; raises ChainUnreachable."""
        reach, open_tasks = self._preflight.trust_at, self._open_tasks()
        framework = await self._confidential.framework()
        kinds = (None,) if framework is None else (None, framework)
        trust = {
            Ware(category, NO_TAG if kind is None else kind.tag): await reach(price, kind)
            for category, price in self._prices.items()
            for kind in kinds
        }
        found = (why for obstacle in self._obstacles if (why := obstacle()) is not None)
        return PoolSaleTerms(
            now,
            self._prices,
            trust,
            stake,
            room_of(self._preflight.takers.slots, open_tasks),
            open_tasks,
            next(found, None),
            self._ending(),
        )
